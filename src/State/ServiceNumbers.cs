using System.Globalization;
using ClusterMesh.Datapath.State.Compile;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State;

/// <summary>
/// The numbers by which entries of flow tables name frontends and backends. A process that takes the tables of another up has to give the same
/// ones. As text a line each: <c>frontend 10.2.0.1 80 6 0 17</c> (address, port, protocol, 1 for an inner side, number) and
/// <c>backend 10.0.1.12 8080 6 3</c>.
/// </summary>
public sealed class ServiceNumbers
{
    internal ServiceNumbers(IReadOnlyDictionary<FrontendKey, uint> frontends, IReadOnlyDictionary<BackendKey, uint> backends)
    {
        Frontends = frontends;
        Backends = backends;
    }

    public static ServiceNumbers None { get; } = new(new Dictionary<FrontendKey, uint>(), new Dictionary<BackendKey, uint>());

    internal IReadOnlyDictionary<FrontendKey, uint> Frontends { get; }

    internal IReadOnlyDictionary<BackendKey, uint> Backends { get; }

    /// <exception cref="FormatException">A line is none of <see cref="ToLines"/>.</exception>
    public static ServiceNumbers Parse(IEnumerable<string> lines)
    {
        var frontends = new Dictionary<FrontendKey, uint>();
        var backends = new Dictionary<BackendKey, uint>();
        foreach (string line in lines)
        {
            switch (line.Split(' '))
            {
                case ["frontend", string address, string port, string protocol, string scope, string number]:
                    frontends[new FrontendKey(IpAddress.Parse(address), (ushort)Number(port), (IpProtocol)Number(protocol), scope == "1")] = Number(number);
                    break;
                case ["backend", string address, string port, string protocol, string number]:
                    backends[new BackendKey(IpAddress.Parse(address), (ushort)Number(port), (IpProtocol)Number(protocol))] = Number(number);
                    break;
                default:
                    throw new FormatException($"'{line}' is no number of a frontend or backend");
            }
        }

        return new ServiceNumbers(frontends, backends);
    }

    public IEnumerable<string> ToLines() =>
        Frontends.Select(f => string.Create(
            CultureInfo.InvariantCulture, $"frontend {f.Key.Address} {f.Key.Port} {(byte)f.Key.Protocol} {(f.Key.IsInternal ? 1 : 0)} {f.Value}"))
        .Concat(Backends.Select(b => string.Create(CultureInfo.InvariantCulture, $"backend {b.Key.Address} {b.Key.Port} {(byte)b.Key.Protocol} {b.Value}")));

    private static uint Number(string text) => uint.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
}
