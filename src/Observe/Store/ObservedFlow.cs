using System.Buffers.Binary;
using ClusterMesh.Datapath.Observe.Names;
using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Observe.Store;

/// <summary>
/// An event as filters look at it: the record, and the names behind it, looked up when the first one asks. Made once for a reader and loaded
/// for each event.
/// </summary>
public sealed class ObservedFlow
{
    private readonly ulong _instance;
    private FlowRecord _record;
    private NameTable _names = NameTable.Empty;
    private ulong _sequence;
    private bool _endpointsKnown;
    private EndpointName? _source;
    private EndpointName? _destination;
    private bool _servicesKnown;
    private ServiceName? _sourceService;
    private ServiceName? _destinationService;

    public ObservedFlow(ObserverNode node, ulong instance)
    {
        Node = node;
        _instance = instance;
    }

    /// <summary>The node that saw it.</summary>
    public ObserverNode Node { get; }

    public ref readonly FlowRecord Record => ref _record;

    public EndpointName? Source => Endpoints()._source;

    public EndpointName? Destination => Endpoints()._destination;

    public ServiceName? SourceService => Services()._sourceService;

    public ServiceName? DestinationService => Services()._destinationService;

    public uint SourceIdentity => IdentityOf(_record.SourceIdentity, Source, _record.Source);

    public uint DestinationIdentity => IdentityOf(_record.DestinationIdentity, Destination, _record.Destination);

    public IReadOnlyList<string> SourceLabels => _names.FindLabels(SourceIdentity) ?? Source?.Labels ?? [];

    public IReadOnlyList<string> DestinationLabels => _names.FindLabels(DestinationIdentity) ?? Destination?.Labels ?? [];

    public string InterfaceName => _names.NameOfInterface(_record.Interface);

    /// <summary>Whether ports mean something for the packet's protocol.</summary>
    public bool HasPorts => _record.Protocol is IpProtocol.Tcp or IpProtocol.Udp or IpProtocol.Sctp;

    public bool IsIp => !(_record.Source == default && _record.Destination == default);

    /// <summary>The same for every reader of the store, and never given twice.</summary>
    public string Uuid
    {
        get
        {
            Span<byte> bytes = stackalloc byte[16];
            BinaryPrimitives.WriteUInt64BigEndian(bytes, _instance);
            BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], _sequence);
            return new Guid(bytes, bigEndian: true).ToString();
        }
    }

    public void Load(in FlowSlot slot, ulong sequence)
    {
        _record = slot.Record;
        _names = slot.Names;
        _sequence = sequence;
        _endpointsKnown = false;
        _servicesKnown = false;
    }

    private static uint IdentityOf(uint recorded, EndpointName? name, IpAddress address)
    {
        if (recorded != ReservedIdentity.Unknown)
        {
            return recorded;
        }

        return name?.Identity ?? (address == default ? ReservedIdentity.Unknown : ReservedIdentity.World);
    }

    private ObservedFlow Endpoints()
    {
        if (!_endpointsKnown)
        {
            _source = IsIp ? _names.FindEndpoint(_record.Source) : null;
            _destination = IsIp ? _names.FindEndpoint(_record.Destination) : null;
            _endpointsKnown = true;
        }

        return this;
    }

    private ObservedFlow Services()
    {
        if (!_servicesKnown)
        {
            ref readonly FlowRecord record = ref _record;
            _sourceService = HasPorts ? _names.FindService(record.Source, record.SourcePort, record.Protocol) : null;
            _destinationService = HasPorts ? _names.FindService(record.Destination, record.DestinationPort, record.Protocol) : null;
            _servicesKnown = true;
        }

        return this;
    }
}
