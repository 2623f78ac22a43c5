using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Where there are several workers: is this packet's flow ours, and if not, whose? Stands before the first stage, behind the shortcut. Which worker
/// a frame comes in at is the kernel's affair; that every packet of a flow, both directions and translated answers included, is taken through
/// the stages by one worker is ours. docs/workers.md has the rules in a table. One per worker.
/// </summary>
public sealed class FlowSteering(int worker, FlowHomes homes, KnownBackends backends, LiveTables live)
{
    /// <summary>False when the frame belongs to another worker; its note then says whose and how far it has come.</summary>
    public bool IsOurs(Burst burst, ref BurstFrame frame, Snapshot s, MonoTime now)
    {
        SteeringNote note = frame.Note;
        if (note is { Step: SteeringStep.Settled, HasPorts: false }
            || !SteeringKey.TryRead(burst.BufferOf(frame.Buffer).Slice(frame.Start, frame.Length), out SteeringKey read))
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
                return HandOver(ref frame, meeting, SteeringStep.Fragment, default);
            }
        }

        if (isFragment && !TryComplete(ref key, read, ref note, now))
        {
            return true; // The first fragment has not come; Parse says what becomes of the later ones.
        }

        frame.Note = note;
        return note.Step == SteeringStep.Settled || IsOurs(ref frame, key, s, now);
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

    private bool IsOurs(ref BurstFrame frame, in FlowKey key, Snapshot s, MonoTime now)
    {
        SteeringNote note = frame.Note;
        SteeringCourse course = CourseOf(key, s);
        if (course.IsCertain)
        {
            return course.First == worker || HandOver(ref frame, course.First, SteeringStep.Settled, note);
        }

        if (note.Step is SteeringStep.Received or SteeringStep.Fragment && course.First != worker)
        {
            return HandOver(ref frame, course.First, SteeringStep.First, note);
        }

        if (Knows(key, course, now))
        {
            return true;
        }

        int other = course.First == worker ? course.Second : course.First;
        return note.Step == SteeringStep.Second
            ? course.Settled == worker || HandOver(ref frame, course.Settled, SteeringStep.Settled, note)
            : HandOver(ref frame, other, SteeringStep.Second, note);
    }

    private bool Knows(in FlowKey key, in SteeringCourse course, MonoTime now) => course.ByMapping && course.First == worker
        ? live.Snat.FindReverse(key) >= 0
        : live.Conntrack.Find(ConntrackTable.Ordered(key, out _), now) >= 0;

    /// <summary>The rules, the first that fits. A flow's owner is its client's home; the doubt is only which end is the client.</summary>
    private SteeringCourse CourseOf(in FlowKey key, Snapshot s)
    {
        MasqueradeRules rules = s.Masquerade;
        bool isToNode = rules.IsOwn(key.Destination);
        bool isFromNode = rules.IsOwn(key.Source);
        if (key.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6)
        {
            return SteeringCourse.To(isToNode || isFromNode ? homes.OfPort((ushort)(key.SourcePort | key.DestinationPort)) : homes.OfEcho(key));
        }

        int source = homes.OfClient(key.Source, key.SourcePort);
        if (key.Destination == ServiceStage.LoopbackIpv4 || key.Destination == ServiceStage.LoopbackIpv6)
        {
            return SteeringCourse.To(homes.OfClient(key.Source, key.DestinationPort)); // A pod answers itself.
        }

        int destination = homes.OfClient(key.Destination, key.DestinationPort);
        bool isToFrontend = s.Services.TryFind(key.Destination, key.DestinationPort, key.Protocol, out _);
        if (isToNode && homes.IsShared(key.DestinationPort))
        {
            return isToFrontend ? new SteeringCourse(destination, source, source, ByMapping: true) : SteeringCourse.To(destination);
        }

        if (isToFrontend)
        {
            return SteeringCourse.To(source);
        }

        bool isFromBackend = backends.Contains(key.Source, key.SourcePort, key.Protocol);
        if (isFromNode && homes.IsShared(key.SourcePort))
        {
            return isFromBackend ? new SteeringCourse(destination, source, source) : SteeringCourse.To(source);
        }

        // A backend may have had flows before it was one, which then live at the home of either end.
        int either = homes.OfEither(key);
        return (isFromBackend, backends.Contains(key.Destination, key.DestinationPort, key.Protocol)) switch
        {
            (false, false) => SteeringCourse.To(either),
            (true, false) => new SteeringCourse(destination, either, destination),
            (false, true) => new SteeringCourse(source, either, source),
            (true, true) => new SteeringCourse(destination, source, either),
        };
    }

    private static bool HandOver(ref BurstFrame frame, int to, SteeringStep step, in SteeringNote note)
    {
        frame.Note = note with { Step = step, Worker = (byte)to };
        frame.Verdict = Verdict.HandedOver;
        return false;
    }
}
