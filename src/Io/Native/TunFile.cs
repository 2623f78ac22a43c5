using System.Text;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;
using Tmds.Linux;

namespace ClusterMesh.Datapath.Io.Native;

/// <summary>An open /dev/net/tun: first nothing, then the user side of one TAP, which lives as long as this file.</summary>
internal sealed unsafe class TunFile : IDisposable
{
    // linux/if_tun.h; the numbers are those of x86-64 and arm64.
    private const int SetInterface = 0x400454CA; // TUNSETIFF
    private const int GetInterface = unchecked((int)0x800454D2); // TUNGETIFF
    private const int SetOffload = 0x400454D0; // TUNSETOFFLOAD
    private const int SetVirtioHeaderLength = 0x400454D8; // TUNSETVNETHDRSZ
    private const int GetVirtioHeaderLength = unchecked((int)0x800454D7); // TUNGETVNETHDRSZ
    private const short Tap = 0x0002; // IFF_TAP
    private const short NoPacketInformation = 0x1000; // IFF_NO_PI
    private const short WithVirtioHeader = 0x4000; // IFF_VNET_HDR
    private const short MultiQueue = 0x0100; // IFF_MULTI_QUEUE
    private const short Exclusive = unchecked((short)0x8000); // IFF_TUN_EXCL: never attach to what is there

    // struct ifreq: name, then a union that begins with the flags.
    private const int RequestLength = 40;
    private const int RequestFlags = 16;

    private const string Path = "/dev/net/tun";

    private readonly FileDescriptor _file;

    private TunFile(FileDescriptor file) => _file = file;

    /// <summary>Must be called on a thread inside the namespace: opening it, not claiming the interface, decides where the TAP will be.</summary>
    public static TunFile Open()
    {
        int result = SystemCalls.Open(Path, LibC.O_RDWR | LibC.O_NONBLOCK, out FileDescriptor? file);
        if (file is not null)
        {
            return new TunFile(file);
        }

        string advice = -result is KernelError.NoEntry or KernelError.NoDevice ? "; load the module with: modprobe tun"
            : -result == KernelError.AccessDenied ? "; run as root" : "";
        throw new DeviceException($"open {Path}: {new KernelError(-result)}{advice}");
    }

    /// <summary>Makes the interface. False when something of that name is there already.</summary>
    /// <param name="withQueues">Other files can join it as further queues.</param>
    public bool TryClaim(string interfaceName, bool withQueues) => TrySetInterface(interfaceName, withQueues ? MultiQueue | Exclusive : Exclusive);

    /// <summary>Becomes a further queue of an interface that another file claimed.</summary>
    public void Join(string interfaceName)
    {
        if (!TrySetInterface(interfaceName, MultiQueue))
        {
            throw new DeviceException($"interface {interfaceName}: TUNSETIFF: {new KernelError(KernelError.Busy)}");
        }
    }

    /// <summary>A queue that another process opened; null when its device is gone.</summary>
    public static TunFile? TryAdopt(FileDescriptor file)
    {
        byte* request = stackalloc byte[RequestLength];
        int headerLength;
        return SystemCalls.Control(file.Number, GetInterface, request) < 0 || SystemCalls.Control(file.Number, GetVirtioHeaderLength, &headerLength) < 0
            ? null : new TunFile(file) { HeaderLength = headerLength };
    }

    /// <summary>Whether other files can join the device as further queues.</summary>
    public bool TakesQueues
    {
        get
        {
            byte* request = stackalloc byte[RequestLength];
            Require(SystemCalls.Control(_file.Number, GetInterface, request), "TUNGETIFF");
            return (*(short*)(request + RequestFlags) & MultiQueue) != 0;
        }
    }

    /// <summary>For a process that keeps the device alive.</summary>
    public FileDescriptor File => _file;

    /// <summary>Bytes of the virtio header before each frame, read or written.</summary>
    public int HeaderLength { get; private set; } = VirtioNetHeader.Length;

    /// <returns>What the kernel took of it: those of tunnels it has since Linux 6.17.</returns>
    public TapOffloads SetOffloads(TapOffloads offloads)
    {
        if ((offloads & TapOffloads.Tunnels) != 0)
        {
            // In this order: with the short header the kernel takes the offloads and then fails every read.
            SetHeaderLength(VirtioTunnelHeader.Length);
            if (SystemCalls.Control(_file.Number, SetOffload, (void*)(nint)(int)offloads) >= 0)
            {
                return offloads;
            }

            offloads &= ~TapOffloads.Tunnels;
        }

        SetHeaderLength(VirtioNetHeader.Length);
        int result = SystemCalls.Control(_file.Number, SetOffload, (void*)(nint)(int)offloads);
        Require(result, $"TUNSETOFFLOAD 0x{(int)offloads:x}", -result == KernelError.Invalid ? "; TSO and USO need Checksum, and USO goes with both families" : "");
        return offloads;
    }

    private void SetHeaderLength(int length)
    {
        Require(SystemCalls.Control(_file.Number, SetVirtioHeaderLength, &length), $"TUNSETVNETHDRSZ {length}");
        HeaderLength = length;
    }

    public PortStatus Read(Span<byte> buffer, out int length)
    {
        if (_file.IsClosed)
        {
            length = 0;
            return PortStatus.Gone;
        }

        int result = SystemCalls.Read(_file.Number, buffer);
        GC.KeepAlive(_file);
        length = Math.Max(0, result);
        return result >= 0 ? PortStatus.Done : StatusOf(-result);
    }

    public PortStatus Write(ReadOnlySpan<byte> frame)
    {
        if (_file.IsClosed)
        {
            return PortStatus.Gone;
        }

        int result = SystemCalls.Write(_file.Number, frame);
        GC.KeepAlive(_file);
        return result >= 0 ? PortStatus.Done : StatusOf(-result);
    }

    public void Dispose() => _file.Dispose();

    /// <summary>Meaningful while this object is open; the user keeps it alive over the call.</summary>
    internal int Number => _file.Number;

    /// <summary>For the poller; null when closed.</summary>
    internal FileDescriptor? OpenFile => _file.IsClosed ? null : _file;

    /// <summary>
    /// The one place that knows what a transfer's error means. A deleted device says EBADFD, or EFAULT while it goes. What no kernel documents
    /// costs the frame and not the port: whether the device is there the next read says.
    /// </summary>
    public static PortStatus StatusOf(int error) => error switch
    {
        KernelError.Again or KernelError.Cancelled => PortStatus.Again,
        KernelError.BadDescriptorState or KernelError.BadDescriptor or KernelError.BadAddress or KernelError.NoDevice => PortStatus.Gone,
        _ => PortStatus.Refused,
    };

    private bool TrySetInterface(string interfaceName, int flags)
    {
        byte* request = stackalloc byte[RequestLength];
        var bytes = new Span<byte>(request, RequestLength);
        bytes.Clear();
        Encoding.UTF8.GetBytes(interfaceName, bytes[..(RequestFlags - 1)]);
        *(short*)(request + RequestFlags) = (short)(Tap | NoPacketInformation | WithVirtioHeader | flags);
        int result = SystemCalls.Control(_file.Number, SetInterface, request);
        if (-result == KernelError.Busy)
        {
            return false;
        }

        Require(result, $"interface {interfaceName}: TUNSETIFF");
        return true;
    }

    private static void Require(int result, string tried, string advice = "")
    {
        if (result < 0)
        {
            throw new DeviceException($"{tried}: {new KernelError(-result)}{advice}");
        }
    }
}
