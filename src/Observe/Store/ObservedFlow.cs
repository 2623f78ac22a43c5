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
    private FlowSlot _slot;
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

    public FlowRecord Record => _slot.Record;

    public EndpointName? Source => Endpoints()._source;

    public EndpointName? Destination => Endpoints()._destination;

    public ServiceName? SourceService => Services()._sourceService;

    public ServiceName? DestinationService => Services()._destinationService;

    public uint SourceIdentity => IdentityOf(_slot.Record.SourceIdentity, Source, _slot.Record.Source);

    public uint DestinationIdentity => IdentityOf(_slot.Record.DestinationIdentity, Destination, _slot.Record.Destination);

    public IReadOnlyList<string> SourceLabels => _slot.Names.FindLabels(SourceIdentity) ?? Source?.Labels ?? [];

    public IReadOnlyList<string> DestinationLabels => _slot.Names.FindLabels(DestinationIdentity) ?? Destination?.Labels ?? [];

    public string InterfaceName => _slot.Names.NameOfInterface(_slot.Record.Interface);

    /// <summary>Whether ports mean something for the packet's protocol.</summary>
    public bool HasPorts => _slot.Record.Protocol is IpProtocol.Tcp or IpProtocol.Udp or IpProtocol.Sctp;

    public bool IsIp => !(_slot.Record.Source == default && _slot.Record.Destination == default);

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
        _slot = slot;
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
            _source = IsIp ? _slot.Names.FindEndpoint(_slot.Record.Source) : null;
            _destination = IsIp ? _slot.Names.FindEndpoint(_slot.Record.Destination) : null;
            _endpointsKnown = true;
        }

        return this;
    }

    private ObservedFlow Services()
    {
        if (!_servicesKnown)
        {
            FlowRecord record = _slot.Record;
            _sourceService = HasPorts ? _slot.Names.FindService(record.Source, record.SourcePort, record.Protocol) : null;
            _destinationService = HasPorts ? _slot.Names.FindService(record.Destination, record.DestinationPort, record.Protocol) : null;
            _servicesKnown = true;
        }

        return this;
    }
}
