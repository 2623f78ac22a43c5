using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Where there are several workers: is this packet's flow ours, and if not, whose? Stands before the first stage, behind the shortcut. Which worker
/// a frame comes in at is the kernel's affair; that every packet of a flow, both directions and translated answers included, is taken through
/// the stages by one worker is ours. docs/workers.md has the rules in a table. One per worker.
/// </summary>
public sealed class FlowSteering(int worker, FlowHomes homes, KnownBackends backends, LiveTables live)
{
    /// <summary>Takes frames that do not lie in a buffer of the burst, to the worker that their note names.</summary>
    public SteeringOutlet? Outlet { get; set; }

    /// <summary>False when the frame belongs to another worker; its note then says whose and how far it has come.</summary>
    public bool IsOurs(Burst burst, ref BurstFrame frame, Snapshot s, MonoTime now)
    {
        SteeringNote note = frame.Note;
        bool isOurs = IsOurs(burst.BufferOf(frame.Buffer).Slice(frame.Start, frame.Length), ref note, s, now);
        frame.Note = note;
        frame.Verdict = isOurs ? frame.Verdict : Verdict.HandedOver;
        return isOurs;
    }

    /// <summary>The same for a fragment that waited here for its first, and which goes to another worker by <see cref="Outlet"/>.</summary>
    public bool IsOurs(in PacketContext p, Snapshot s, MonoTime now)
    {
        var note = new SteeringNote(SteeringStep.Fragment);
        bool isOurs = IsOurs(p.Frame, ref note, s, now);
        if (!isOurs)
        {
            var frame = new BurstFrame { IngressPort = p.IngressPort, Length = p.FrameLength, Offload = p.Offload, Tunnel = p.Tunnel, Note = note, Verdict = Verdict.HandedOver };
            Outlet?.Invoke(frame, p.Frame);
        }

        return isOurs;
    }

    private bool IsOurs(Span<byte> frame, ref SteeringNote note, Snapshot s, MonoTime now)
    {
        if (note is { Step: SteeringStep.Settled, HasPorts: false } || !SteeringKey.TryRead(frame, out SteeringKey read))
        {
            return true;
        }

        FlowKey key = read.Key;
        bool isFragment = read.IsFragment && key.Protocol is not (IpProtocol.Icmp or IpProtocol.Icmpv6);
        if (isFragment && note.Step == SteeringStep.Received)
        {
            int meeting = homes.OfFragments(key, read.FragmentId);
            if (meeting != worker)
            {
                return HandOver(ref note, meeting, SteeringStep.Fragment);
            }
        }

        if (isFragment && !TryComplete(ref key, read, ref note, now))
        {
            return true; // The first fragment has not come; Parse says what becomes of the later ones.
        }

        return note.Step == SteeringStep.Settled || IsOurs(ref note, key, s, now);
    }

    /// <summary>Gives a fragment its ports, and others of its datagram the way to them.</summary>
    private bool TryComplete(ref FlowKey key, in SteeringKey read, ref SteeringNote note, MonoTime now)
    {
        bool isMeeting = note.Step is SteeringStep.Received or SteeringStep.Fragment;
        if (read.IsLaterFragment && isMeeting)
        {
            if (!live.Fragments.TryGetPorts(read.Key, read.FragmentId, now, out key))
            {
                return false;
            }

            note = note with { HasPorts = true, SourcePort = key.SourcePort, DestinationPort = key.DestinationPort };
            return true;
        }

        if (read.IsLaterFragment)
        {
            key = key with { SourcePort = note.SourcePort, DestinationPort = note.DestinationPort };
        }

        // The owner's Parse asks its own table; the one at which they meet may hand the first on and still be asked for the others.
        live.Fragments.Remember(key, read.FragmentId, now);
        return true;
    }

    private bool IsOurs(ref SteeringNote note, in FlowKey key, Snapshot s, MonoTime now)
    {
        SteeringCourse course = CourseOf(key, homes, backends, s);
        if (course.IsCertain)
        {
            return course.First == worker || HandOver(ref note, course.First, SteeringStep.Settled);
        }

        if (note.Step is SteeringStep.Received or SteeringStep.Fragment && course.First != worker)
        {
            return HandOver(ref note, course.First, SteeringStep.First);
        }

        if (Knows(key, course, now))
        {
            return true;
        }

        // On to the next who has not been asked.
        if (note.Step < SteeringStep.Second && course.Second != worker)
        {
            return HandOver(ref note, course.Second, SteeringStep.Second);
        }

        if (note.Step < SteeringStep.Third && course.Third != worker && course.Third != course.First)
        {
            return HandOver(ref note, course.Third, SteeringStep.Third);
        }

        return course.Settled == worker || HandOver(ref note, course.Settled, SteeringStep.Settled);
    }

    private bool Knows(in FlowKey key, in SteeringCourse course, MonoTime now)
    {
        bool isFirst = course.First == worker;
        return (isFirst && course.ByMapping && live.Snat.FindReverse(key) >= 0)
            || ((!isFirst || course.ByFlow) && live.Conntrack.Find(ConntrackTable.Ordered(key, out _), now) >= 0);
    }

    /// <summary>The rules, the first that fits. A flow's owner is its client's home; the doubt is only which end is the client, and whether it has a session.</summary>
    internal static SteeringCourse CourseOf(in FlowKey key, FlowHomes homes, KnownBackends backends, Snapshot s)
    {
        bool isToNode = s.Masquerade.IsOwn(key.Destination);
        bool isFromNode = s.Masquerade.IsOwn(key.Source);
        if (key.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6)
        {
            return SteeringCourse.To(isToNode || isFromNode ? homes.OfPort((ushort)(key.SourcePort | key.DestinationPort)) : homes.OfEcho(key));
        }

        int source = homes.OfClient(key.Source, key.SourcePort);
        int destination = homes.OfClient(key.Destination, key.DestinationPort);
        KnownBackend from = backends.Find(key.Source, key.SourcePort, key.Protocol);
        int session = from == KnownBackend.WithSessions ? homes.OfAddress(key.Destination) : destination;
        if (key.Destination == s.Services.Options.LoopbackFor(key.Destination.IsIpv4))
        {
            int self = homes.OfClient(key.Source, key.DestinationPort); // A pod answers itself.
            return new SteeringCourse(from == KnownBackend.WithSessions ? homes.OfAddress(key.Source) : self, self, self, self);
        }

        bool isToFrontend = s.Services.TryFind(key.Destination, key.DestinationPort, key.Protocol, out Frontend? frontend);
        int client = isToFrontend && frontend!.AffinitySeconds > 0 ? homes.OfAddress(key.Source) : source;
        if (isToNode && homes.IsShared(key.DestinationPort))
        {
            return isToFrontend
                ? new SteeringCourse(destination, client, client, client, ByMapping: true, ByFlow: false)
                : new SteeringCourse(destination, session, session, destination, ByMapping: true);
        }

        if (isToFrontend)
        {
            return SteeringCourse.To(client);
        }

        if (isFromNode && homes.IsShared(key.SourcePort))
        {
            return from == KnownBackend.None ? SteeringCourse.To(source) : new SteeringCourse(session, destination, source, source);
        }

        // A backend may have had flows before it was one, which then live at the home of either end.
        int either = homes.OfEither(key);
        bool isToBackend = backends.Find(key.Destination, key.DestinationPort, key.Protocol) != KnownBackend.None;
        return (from != KnownBackend.None, isToBackend) switch
        {
            (false, false) => SteeringCourse.To(either),
            (true, false) => new SteeringCourse(session, destination, either, destination),
            (false, true) => new SteeringCourse(source, either, either, source),
            (true, true) => new SteeringCourse(session, destination, source, either),
        };
    }

    private static bool HandOver(ref SteeringNote note, int to, SteeringStep step)
    {
        note = note with { Step = step, Worker = (byte)to };
        return false;
    }
}
