using System.Collections;
using System.Diagnostics;
using System.Globalization;
using ClusterMesh.Datapath.Io.Native;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// Takes from a program what it does not need: all capabilities, the way to new privileges, the system calls of <see cref="SyscallFilter"/>, and on
/// request its user. A thread's rights are its own in Linux and a runtime has several threads, so that the program is started over in the same process:
/// what it was told it is told again, and <see cref="IsInside"/> says that this is the second time. What needs rights is left to a
/// second process (<see cref="PortOpener"/>).
/// </summary>
public static class Sandbox
{
    /// <summary>Names the process that it was set for: others that inherit it (cmesh upgrade starts one with the environment of the old) are outside.</summary>
    private const string Mark = "CMESH_SANDBOX";

    // linux/capability.h
    private const int CapabilitySetting = 8;
    private const int NetworkAdministration = 12;
    private const int Tracing = 19;
    private const int Administration = 21;

    /// <summary>What opening a TAP in a namespace takes: TUNSETIFF and netlink, setns, and the namespaces of others' processes below /proc.</summary>
    private const ulong OpenerCapabilities = (1ul << NetworkAdministration) | (1ul << Administration) | (1ul << Tracing);

    /// <summary>Whether this program runs in the sandbox already.</summary>
    public static bool IsInside => Environment.GetEnvironmentVariable(Mark) == OwnNumber;

    private static string OwnNumber => Environment.ProcessId.ToString(CultureInfo.InvariantCulture);

    /// <summary>Becomes the program in the sandbox. Must be called on the process's first thread, before there is anything to lose. Returns only by an exception.</summary>
    /// <param name="opener">How the process that opens ports is started, to which the number of its socket is added; null for none.</param>
    /// <param name="user">User and group to become; null for those of now.</param>
    /// <exception cref="DeviceException">The kernel or the rights of this process do not allow it.</exception>
    public static void Enter(ProcessStartInfo? opener, (uint User, uint Group)? user, string program, IReadOnlyList<string> arguments)
    {
        if (!SyscallFilter.IsKnown)
        {
            throw new DeviceException("sandbox: the system calls of this processor are not known; say --no-sandbox");
        }

        Dictionary<string, string> environment = [];
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            environment[(string)variable.Key] = (string?)variable.Value ?? "";
        }

        environment[Mark] = OwnNumber;
        ulong had = OwnCapabilities();
        ulong wanted = opener is null ? 0 : OpenerCapabilities & had;
        ProcessRights.LimitTo(wanted);
        if (user is { } other)
        {
            ProcessRights.Become(other.User, other.Group);
        }

        ProcessRights.SetCapabilities(wanted, (1ul << CapabilitySetting) & had);
        ProcessRights.ForbidNewPrivileges();
        ProcessRights.Filter(SyscallFilter.Program());
        if (opener is not null)
        {
            (int ours, int theirs) = ProcessRights.Pair();
            ProcessRights.Bequeath(theirs);
            opener.ArgumentList.Add(theirs.ToString(CultureInfo.InvariantCulture));
            using Process? started = Process.Start(opener); // of this thread, with its rights
            ProcessRights.Close(theirs);
            ProcessRights.Bequeath(ours); // only now: the opener would never see the end of what it holds itself
            environment[PortOpener.Variable] = ours.ToString(CultureInfo.InvariantCulture);
        }

        ProcessRights.LimitTo(0);
        ProcessRights.SetCapabilities(0);
        ProcessRights.Filter(SyscallFilter.ProgramWithoutNamespaces());
        ProcessRights.Run(program, arguments, environment);
    }

    /// <summary>proc(5): CapPrm of status.</summary>
    private static ulong OwnCapabilities() => ulong.Parse(
        File.ReadLines("/proc/thread-self/status").First(l => l.StartsWith("CapPrm:", StringComparison.Ordinal)).Split('\t')[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
