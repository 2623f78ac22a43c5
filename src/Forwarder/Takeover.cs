using System.Diagnostics;
using System.Globalization;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>
/// The new process's side of a takeover: has the running forwarder of the node keep its configuration still, lets this process prepare, then has the
/// other one stop between two bursts. What fails before that costs nothing: the other goes on.
/// </summary>
internal sealed class Takeover : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(20);

    private readonly ControlClient _client;
    private readonly int _processId;
    private bool _isComplete;
    private long _start;

    private Takeover(ControlClient client, int processId)
    {
        _client = client;
        _processId = processId;
    }

    /// <exception cref="ControlConnectionException">No forwarder runs for the node.</exception>
    /// <exception cref="DeviceException">It cannot be taken over.</exception>
    public static Takeover Prepare(string socketPath)
    {
        ControlClient client = ControlClient.ConnectAsync(socketPath).GetAwaiter().GetResult();
        try
        {
            return new Takeover(client, Ask(client, TakeoverPhase.Prepare).ProcessId);
        }
        catch
        {
            client.DisposeAsync().AsTask().GetAwaiter().GetResult();
            throw;
        }
    }

    /// <summary>The other process touches neither tables nor TAPs any more when this returns.</summary>
    /// <returns>Its neighbours.</returns>
    public IReadOnlyList<NeighborNews> Complete()
    {
        _start = Stopwatch.GetTimestamp();
        IReadOnlyList<string> neighbors = Ask(_client, TakeoverPhase.Complete).Neighbors;
        _isComplete = true;
        return KeptNeighbors.Parse(neighbors, areConfirmed: true);
    }

    /// <summary>Packets pass here; waits until the other process is gone and its socket free.</summary>
    public void AwaitEnd()
    {
        string waited = Stopwatch.GetElapsedTime(_start).TotalMilliseconds.ToString("0.0", CultureInfo.InvariantCulture);
        Log.Write($"took over from process {_processId}; packets waited {waited} ms");
        StartReport.Write($"waited {waited}");
        try
        {
            using Process other = Process.GetProcessById(_processId);
            other.WaitForExit(s_limit);
        }
        catch (ArgumentException)
        {
            // It is gone.
        }
    }

    public void Dispose()
    {
        try
        {
            if (!_isComplete)
            {
                Ask(_client, TakeoverPhase.Cancel);
            }
        }
        catch (Exception e) when (e is DeviceException or ControlConnectionException)
        {
            Log.Write($"process {_processId} takes changes again in half a minute: {e.Message}");
        }

        _client.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }

    private static TakeoverResult Ask(ControlClient client, TakeoverPhase phase)
    {
        try
        {
            return client.CallAsync("takeover", new TakeoverRequest(phase), ControlJson.Default.TakeoverRequest, ControlJson.Tolerant.TakeoverResult, CancellationToken.None)
                .WaitAsync(s_limit).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is ControlException or TimeoutException)
        {
            throw new DeviceException($"takeover: the forwarder that runs says: {e.Message}");
        }
    }
}
