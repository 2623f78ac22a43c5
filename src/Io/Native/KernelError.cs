using System.Runtime.InteropServices;

namespace ClusterMesh.Datapath.Io.Native;

/// <summary>An error number of the kernel (asm-generic/errno.h) with the words people search for.</summary>
/// <param name="Number">Positive; 0 for none.</param>
internal readonly record struct KernelError(int Number)
{
    public const int Permission = 1;
    public const int NoEntry = 2;
    public const int NoSuchProcess = 3;
    public const int Interrupted = 4;
    public const int InputOutput = 5;
    public const int BadDescriptor = 9;
    public const int Again = 11;
    public const int NoMemory = 12;
    public const int AccessDenied = 13;
    public const int BadAddress = 14;
    public const int Busy = 16;
    public const int NoDevice = 19;
    public const int Invalid = 22;
    public const int TimedOut = 62;
    public const int BadDescriptorState = 77;
    public const int NoBuffers = 105;
    public const int Cancelled = 125;

    /// <summary>EBUSY and its like.</summary>
    public string Name => Number switch
    {
        Permission => "EPERM",
        NoEntry => "ENOENT",
        NoSuchProcess => "ESRCH",
        Interrupted => "EINTR",
        InputOutput => "EIO",
        BadDescriptor => "EBADF",
        Again => "EAGAIN",
        NoMemory => "ENOMEM",
        AccessDenied => "EACCES",
        BadAddress => "EFAULT",
        Busy => "EBUSY",
        17 => "EEXIST",
        NoDevice => "ENODEV",
        20 => "ENOTDIR",
        Invalid => "EINVAL",
        23 => "ENFILE",
        24 => "EMFILE",
        34 => "ERANGE",
        40 => "ELOOP",
        38 => "ENOSYS",
        TimedOut => "ETIME",
        BadDescriptorState => "EBADFD",
        95 => "EOPNOTSUPP",
        97 => "EAFNOSUPPORT",
        99 => "EADDRNOTAVAIL",
        100 => "ENETDOWN",
        101 => "ENETUNREACH",
        NoBuffers => "ENOBUFS",
        113 => "EHOSTUNREACH",
        Cancelled => "ECANCELED",
        _ => $"error {Number}",
    };

    /// <summary>Name, the C library's words, and for want of rights what to do.</summary>
    public override string ToString()
    {
        string text = $"{Name} ({Marshal.GetPInvokeErrorMessage(Number)})";
        return Number == Permission ? text + "; run as root or give CAP_NET_ADMIN and CAP_SYS_ADMIN" : text;
    }
}
