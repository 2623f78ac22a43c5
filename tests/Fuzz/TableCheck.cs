using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Fuzz;

/// <summary>Whether a node's flow tables agree with themselves and with each other, and are empty when every flow is over.</summary>
internal static class TableCheck
{
    private const double Forever = 40 * 86_400;

    /// <param name="isAlone">One worker has all flows.</param>
    public static void Run(TestNode node, bool isAlone)
    {
        foreach (LiveTables live in node.AllLive)
        {
            Conntrack(node, live.Conntrack);
            Snat(live.Snat, isAlone);
        }

        node.Tick();
        node.Wait(Forever);
        node.Tick();
        node.Sweep();
        node.Tick();
        foreach (LiveTables live in node.AllLive)
        {
            FuzzFinding.Unless(live.Conntrack.Count == 0 && live.Snat.Count == 0, $"{live.Conntrack.Count} flows and {live.Snat.Count} mappings outlive everything");
            FuzzFinding.Unless(live.Outbox.ReadyCount == 0, $"{live.Outbox.ReadyCount} frames are ready and do not leave");
        }
    }

    private static void Conntrack(TestNode node, ConntrackTable table)
    {
        var judge = new FlowRecovery(node.State.Current, TestNode.LocalSpec().PodCidrs, node.Now);
        int used = 0;
        for (int i = 0; i < table.Capacity; i++)
        {
            ref readonly ConntrackEntry entry = ref table[i];
            if ((entry.Flags & ConntrackFlags.Used) == 0)
            {
                continue;
            }

            used++;
            FuzzFinding.Unless(table.IndexOf(entry.Key) == i, $"the flow {entry.Key} is not found at its place");
            FuzzFinding.Unless(judge.Judge(entry) != FlowFate.Broken, $"the next process would call the flow {entry.Key} broken: {entry}");
        }

        FuzzFinding.Unless(used == table.Count, $"{used} flows are there and {table.Count} are counted");
    }

    private static void Snat(SnatTable table, bool isAlone)
    {
        int used = 0;
        for (int i = 0; i < table.Capacity; i++)
        {
            SnatEntry entry = table[i];
            if (!entry.IsUsed)
            {
                continue;
            }

            used++;
            FuzzFinding.Unless(table.FindForward(entry.Forward) == i, $"the mapping {entry.Forward} is not found at its place");
            FuzzFinding.Unless(!isAlone || entry.IsReturn || table.FindReverse(entry.Translated.Reversed) == i, $"the answer to {entry.Translated} does not find its mapping");
            FuzzFinding.Unless(entry.Forward.Source.IsIpv4 == entry.NatAddress.IsIpv4, $"the mapping {entry.Forward} changes the family");
        }

        FuzzFinding.Unless(used == table.Count, $"{used} mappings are there and {table.Count} are counted");
    }
}
