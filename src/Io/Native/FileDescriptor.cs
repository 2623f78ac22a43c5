using Microsoft.Win32.SafeHandles;
using Tmds.Linux;

namespace ClusterMesh.Datapath.Io.Native;

/// <summary>An open file of the kernel, closed once. Its number stays inside this folder.</summary>
internal sealed class FileDescriptor : SafeHandleMinusOneIsInvalid
{
    public FileDescriptor(int number)
        : base(ownsHandle: true) => SetHandle(number);

    /// <summary>Meaningful while this object is open; the user keeps it alive over the call.</summary>
    public int Number => (int)handle;

    // Linux closes the descriptor even when close() says EINTR: never again with the same number.
    protected override bool ReleaseHandle()
    {
        _ = LibC.close((int)handle);
        return true;
    }
}
