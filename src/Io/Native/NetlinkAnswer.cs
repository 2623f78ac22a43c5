namespace ClusterMesh.Datapath.Io.Native;

/// <summary>What the kernel said to a request.</summary>
/// <param name="error">None on success.</param>
/// <param name="text">The kernel's own sentence about the error, often more exact than the number; may be empty.</param>
/// <param name="body">The message behind its header, where one was asked for. Valid until the next request.</param>
internal readonly ref struct NetlinkAnswer(KernelError error, string text, ReadOnlySpan<byte> body)
{
    public KernelError Error { get; } = error;

    public ReadOnlySpan<byte> Body { get; } = body;

    public void Require(string tried)
    {
        if (Error.Number != 0)
        {
            throw new DeviceException($"{tried}: {Error}{(text.Length > 0 ? $": {text}" : "")}");
        }
    }
}
