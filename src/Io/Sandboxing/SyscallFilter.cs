using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// The system calls that a sandboxed process never needs, and the seccomp program that refuses them (seccomp(2), linux/bpf_common.h). A list of
/// what is refused, not of what is allowed: what the runtime calls changes with its versions. Everything here is data; nothing is installed.
/// </summary>
public static class SyscallFilter
{
    private const int InstructionLength = 8; // struct sock_filter: code, jump if true, jump if false, operand

    private const ushort LoadWord = 0x20; // BPF_LD | BPF_W | BPF_ABS
    private const ushort JumpIfEqual = 0x15;
    private const ushort JumpIfAtLeast = 0x35;
    private const ushort JumpIfAnyBit = 0x45;
    private const ushort Return = 0x06;

    // Offsets in struct seccomp_data.
    private const uint NumberOffset = 0;
    private const uint ArchitectureOffset = 4;
    private const uint FirstArgumentOffset = 16;

    private const uint Allow = 0x7FFF_0000; // SECCOMP_RET_ALLOW
    private const uint KillProcess = 0x8000_0000;
    private const uint Refuse = 0x0005_0000; // SECCOMP_RET_ERRNO, the error in the low bits
    private const uint NotPermitted = 1; // EPERM
    private const uint NotThere = 38; // ENOSYS
    private const uint NoSuchFamily = 97; // EAFNOSUPPORT

    private const uint X64Architecture = 0xC000_003E; // AUDIT_ARCH_X86_64
    private const uint Arm64Architecture = 0xC000_00B7;
    private const uint OtherX64Calls = 0x4000_0000; // __X32_SYSCALL_BIT

    /// <summary>CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET of linux/sched.h.</summary>
    private const uint NewNamespaces = 0x7E02_0000;

    /// <summary>AF_UNIX, AF_INET, AF_INET6, AF_NETLINK.</summary>
    private static readonly uint[] s_families = [1, 2, 10, 16];

    /// <summary>By name: numbers on x86-64 and on arm64; -1 for one that is not there.</summary>
    private static readonly (string Name, int X64, int Arm64)[] s_refused =
    [
        ("mount", 165, 40), ("umount2", 166, 39), ("pivot_root", 155, 41), ("chroot", 161, 51), ("mount_setattr", 442, 442),
        ("fsopen", 430, 430), ("fsconfig", 431, 431), ("fsmount", 432, 432), ("fspick", 433, 433), ("open_tree", 428, 428), ("move_mount", 429, 429),
        ("swapon", 167, 224), ("swapoff", 168, 225), ("quotactl", 179, 60), ("acct", 163, 89), ("reboot", 169, 142),
        ("sethostname", 170, 161), ("setdomainname", 171, 162), ("settimeofday", 164, 170), ("clock_settime", 227, 112), ("clock_adjtime", 305, 266),
        ("adjtimex", 159, 171), ("init_module", 175, 105), ("finit_module", 313, 273), ("delete_module", 176, 106), ("kexec_load", 246, 104),
        ("kexec_file_load", 320, 294), ("bpf", 321, 280), ("perf_event_open", 298, 241), ("userfaultfd", 323, 282), ("fanotify_init", 300, 262),
        ("add_key", 248, 217), ("request_key", 249, 218), ("keyctl", 250, 219), ("syslog", 103, 116), ("vhangup", 153, 58),
        ("name_to_handle_at", 303, 264), ("open_by_handle_at", 304, 265), ("process_vm_writev", 311, 271), ("kcmp", 312, 272),
        ("move_pages", 279, 239), ("migrate_pages", 256, 238), ("mknod", 133, -1), ("mknodat", 259, 33), ("unshare", 272, 97), ("personality", 135, 92),
        ("setuid", 105, 146), ("setgid", 106, 144), ("setreuid", 113, 145), ("setregid", 114, 143), ("setresuid", 117, 147), ("setresgid", 119, 149),
        ("setgroups", 116, 159), ("setfsuid", 122, 151), ("setfsgid", 123, 152),
        ("iopl", 172, -1), ("ioperm", 173, -1), ("modify_ldt", 154, -1), ("uselib", 134, -1), ("nfsservctl", 180, 42), ("lookup_dcookie", 212, 18),
    ];

    /// <summary>What is refused by name; sockets of other families and new namespaces by clone are refused besides.</summary>
    public static IReadOnlyList<string> Refused => [.. s_refused.Select(r => r.Name), "setns", "capset"];

    /// <summary>False on a processor whose numbers are not known here.</summary>
    public static bool IsKnown => RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64;

    /// <summary>For every process of a forwarder, the one included that opens ports.</summary>
    internal static byte[] Program()
    {
        bool isX64 = RuntimeInformation.ProcessArchitecture == Architecture.X64;
        List<(ushort Code, byte IfTrue, byte IfFalse, uint Operand)> code =
        [
            (LoadWord, 0, 0, ArchitectureOffset),
            (JumpIfEqual, 1, 0, isX64 ? X64Architecture : Arm64Architecture),
            (Return, 0, 0, KillProcess),
            (LoadWord, 0, 0, NumberOffset),
        ];
        if (isX64)
        {
            code.Add((JumpIfAtLeast, 0, 1, OtherX64Calls));
            code.Add((Return, 0, 0, Refuse | NotPermitted));
        }

        foreach ((string _, int x64, int arm64) in s_refused)
        {
            AddRefusal(code, isX64 ? x64 : arm64, NotPermitted);
        }

        // Its flags are in memory, which a filter cannot see; the C library takes clone when it is not there.
        AddRefusal(code, 435, NotThere); // clone3
        code.Add((JumpIfEqual, 0, 4, isX64 ? 56u : 220u)); // clone
        code.Add((LoadWord, 0, 0, FirstArgumentOffset));
        code.Add((JumpIfAnyBit, 0, 1, NewNamespaces));
        code.Add((Return, 0, 0, Refuse | NotPermitted));
        code.Add((Return, 0, 0, Allow));
        code.Add((JumpIfEqual, 0, (byte)(s_families.Length + 2), isX64 ? 41u : 198u)); // socket
        code.Add((LoadWord, 0, 0, FirstArgumentOffset));
        for (int i = 0; i < s_families.Length; i++)
        {
            code.Add((JumpIfEqual, (byte)(s_families.Length - i), 0, s_families[i]));
        }

        code.Add((Return, 0, 0, Refuse | NoSuchFamily));
        code.Add((Return, 0, 0, Allow));
        return Bytes(code);
    }

    /// <summary>Besides, for all but the process that opens ports: other namespaces are not entered, and capabilities not asked for.</summary>
    internal static byte[] ProgramWithoutNamespaces()
    {
        List<(ushort Code, byte IfTrue, byte IfFalse, uint Operand)> code = [(LoadWord, 0, 0, NumberOffset)];
        bool isX64 = RuntimeInformation.ProcessArchitecture == Architecture.X64;
        AddRefusal(code, isX64 ? 308 : 268, NotPermitted); // setns
        AddRefusal(code, isX64 ? 126 : 91, NotPermitted); // capset
        code.Add((Return, 0, 0, Allow));
        return Bytes(code);
    }

    private static void AddRefusal(List<(ushort Code, byte IfTrue, byte IfFalse, uint Operand)> code, int number, uint error)
    {
        if (number >= 0)
        {
            code.Add((JumpIfEqual, 0, 1, (uint)number));
            code.Add((Return, 0, 0, Refuse | error));
        }
    }

    private static byte[] Bytes(List<(ushort Code, byte IfTrue, byte IfFalse, uint Operand)> code)
    {
        byte[] bytes = new byte[code.Count * InstructionLength];
        for (int i = 0; i < code.Count; i++)
        {
            Span<byte> instruction = bytes.AsSpan(i * InstructionLength, InstructionLength);
            BinaryPrimitives.WriteUInt16LittleEndian(instruction, code[i].Code);
            instruction[2] = code[i].IfTrue;
            instruction[3] = code[i].IfFalse;
            BinaryPrimitives.WriteUInt32LittleEndian(instruction[4..], code[i].Operand);
        }

        return bytes;
    }
}
