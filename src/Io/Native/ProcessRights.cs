using System.Runtime.InteropServices;
using System.Text;
using Tmds.Linux;

namespace ClusterMesh.Datapath.Io.Native;

/// <summary>
/// The rights of the calling thread: user, capabilities, filters. All of it is a thread's own in Linux; what follows is execve on the same thread,
/// which makes it the whole process's. Numbers are those of linux/prctl.h and linux/capability.h.
/// </summary>
internal static unsafe class ProcessRights
{
    private const int SetKeepCapabilities = 8;
    private const int DropFromBoundingSet = 24;
    private const int SetNoNewPrivileges = 38;
    private const int Ambient = 47;
    private const int AmbientRaise = 2;
    private const int AmbientClear = 4;
    private const int SetSeccomp = 22;
    private const int SeccompFilter = 2;
    private const int LastCapability = 63;
    private const uint CapabilityVersion = 0x20080522; // _LINUX_CAPABILITY_VERSION_3

    private static bool IsX64 => RuntimeInformation.ProcessArchitecture == Architecture.X64;

    private static int ControlNumber => IsX64 ? 157 : 167; // prctl

    private static int SetCapabilitiesNumber => IsX64 ? 126 : 91; // capset

    private static int SetUserNumber => IsX64 ? 117 : 147; // setresuid

    private static int SetGroupNumber => IsX64 ? 119 : 149; // setresgid

    private static int SetGroupsNumber => IsX64 ? 116 : 159; // setgroups

    /// <summary>Another user and group, and no other groups; what was permitted stays so until it is set anew. The raw calls, of this thread alone.</summary>
    public static void Become(uint user, uint group)
    {
        Control(SetKeepCapabilities, 1, "PR_SET_KEEPCAPS");
        Require((long)LibC.syscall(SetGroupsNumber, 0, 0), "setgroups");
        Require((long)LibC.syscall(SetGroupNumber, group, group, group), $"setresgid {group}");
        Require((long)LibC.syscall(SetUserNumber, user, user, user), $"setresuid {user}");
    }

    /// <summary>What no program that is run from here may ever have; nothing happens without the right to do so.</summary>
    public static void LimitTo(ulong capabilities)
    {
        for (int i = 0; i <= LastCapability; i++)
        {
            if ((capabilities & (1ul << i)) == 0)
            {
                _ = LibC.syscall(ControlNumber, DropFromBoundingSet, i, 0, 0, 0);
            }
        }
    }

    /// <summary>What this thread has, and what programs have that it runs.</summary>
    /// <param name="own">What it has besides, and they have not.</param>
    public static void SetCapabilities(ulong capabilities, ulong own = 0)
    {
        Control(Ambient, AmbientClear, "PR_CAP_AMBIENT_CLEAR_ALL");
        uint* header = stackalloc uint[] { CapabilityVersion, 0 };
        uint low = (uint)capabilities, high = (uint)(capabilities >> 32);
        uint lowHere = (uint)(capabilities | own), highHere = (uint)((capabilities | own) >> 32);
        uint* sets = stackalloc uint[] { lowHere, lowHere, low, highHere, highHere, high }; // effective, permitted, inheritable
        Require((long)LibC.syscall(SetCapabilitiesNumber, header, sets), "capset");
        for (int i = 0; i <= LastCapability; i++)
        {
            if ((capabilities & (1ul << i)) != 0)
            {
                Require((long)LibC.syscall(ControlNumber, Ambient, AmbientRaise, i, 0, 0), $"PR_CAP_AMBIENT_RAISE {i}");
            }
        }
    }

    public static void ForbidNewPrivileges() => Control(SetNoNewPrivileges, 1, "PR_SET_NO_NEW_PRIVS");

    /// <param name="program">Of <see cref="SyscallFilter"/>.</param>
    public static void Filter(byte[] program)
    {
        fixed (byte* code = program)
        {
            // struct sock_fprog: count of instructions, padding, their address.
            long* header = stackalloc long[] { program.Length / 8, (long)code };
            Require((long)LibC.syscall(ControlNumber, SetSeccomp, SeccompFilter, header, 0, 0), "PR_SET_SECCOMP");
        }
    }

    /// <summary>Two ends of a message socket; programs that are run from here inherit neither.</summary>
    public static (int Ours, int Theirs) Pair()
    {
        int* pair = stackalloc int[2];
        Require(LibC.socketpair(LibC.AF_UNIX, LibC.SOCK_SEQPACKET | LibC.SOCK_CLOEXEC, 0, pair), "socketpair");
        return (pair[0], pair[1]);
    }

    /// <summary>Programs that are run from here inherit the file.</summary>
    public static void Bequeath(int file) => Require(LibC.fcntl(file, LibC.F_SETFD, 0), "fcntl F_SETFD");

    /// <summary>An inherited file is from now on for this program alone.</summary>
    public static void KeepToOurselves(int file) => Require(LibC.fcntl(file, LibC.F_SETFD, 1), "fcntl F_SETFD"); // FD_CLOEXEC

    public static void Close(int file) => _ = LibC.close(file);

    /// <summary>This process becomes another program. Returns only by an exception.</summary>
    public static void Run(string program, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        using var argumentText = new TextArray([program, .. arguments]);
        using var environmentText = new TextArray([.. environment.Select(v => $"{v.Key}={v.Value}")]);
        fixed (byte* path = Encoding.UTF8.GetBytes(program + '\0'))
        {
            Require(LibC.execve(path, argumentText.Pointers, environmentText.Pointers), $"execve {program}");
        }
    }

    private static void Control(int what, int value, string name) => Require((long)LibC.syscall(ControlNumber, what, value, 0, 0, 0), name);

    private static void Require(long result, string tried)
    {
        if (result < 0)
        {
            throw new DeviceException($"sandbox: {tried}: {new KernelError(LibC.errno)}");
        }
    }

    /// <summary>C strings and an array of them that ends with null.</summary>
    private sealed class TextArray : IDisposable
    {
        private readonly nint[] _texts;

        public TextArray(string[] texts)
        {
            _texts = [.. texts.Select(Marshal.StringToCoTaskMemUTF8)];
            Pointers = (byte**)NativeMemory.AllocZeroed((nuint)(texts.Length + 1), (nuint)sizeof(byte*));
            for (int i = 0; i < _texts.Length; i++)
            {
                Pointers[i] = (byte*)_texts[i];
            }
        }

        public byte** Pointers { get; }

        public void Dispose()
        {
            Array.ForEach(_texts, Marshal.FreeCoTaskMem);
            NativeMemory.Free(Pointers);
        }
    }
}
