using System.Text;
using Tmds.Linux;

namespace ClusterMesh.Datapath.Io.Native;

/// <summary>
/// Memory with a file's handle (memfd_create), so that it can be given to another process. Sealed against shrinking: who maps it need
/// not fear that its pages go.
/// </summary>
internal static unsafe class SharedFile
{
    // fcntl(2), linux/memfd.h.
    private const uint AllowSealing = 2;
    private const int AddSeals = 1033;
    private const int GetSeals = 1034;
    private const int SealSeal = 1;
    private const int SealShrink = 2;
    private const int SealGrow = 4;

    public static FileDescriptor Create(string name, long length)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(name + '\0'))
        {
            int number = LibC.memfd_create(text, (uint)LibC.MFD_CLOEXEC | AllowSealing);
            if (number < 0)
            {
                throw new DeviceException($"memfd_create: {new KernelError(LibC.errno)}");
            }

            var file = new FileDescriptor(number);
            if (LibC.ftruncate(number, length) != 0 || LibC.fcntl(number, AddSeals, SealSeal | SealShrink | SealGrow) != 0)
            {
                int error = LibC.errno;
                file.Dispose();
                throw new DeviceException($"shared memory of {length} bytes: {new KernelError(error)}");
            }

            return file;
        }
    }

    /// <summary>The same memory once more, for somebody who may only read it.</summary>
    public static FileDescriptor OpenReadable(FileDescriptor file)
    {
        int result = SystemCalls.Open($"/proc/self/fd/{file.Number}", LibC.O_RDONLY, out FileDescriptor? readable);
        return readable ?? throw new DeviceException($"shared memory, to be read: {new KernelError(-result)}");
    }

    /// <summary>Whether a file that another process gave is such memory and at least so long.</summary>
    public static bool IsSealed(FileDescriptor file, long length)
    {
        int seals = LibC.fcntl(file.Number, GetSeals); // negative for any other file
        return seals >= 0 && (seals & SealShrink) != 0 && LibC.lseek(file.Number, 0, LibC.SEEK_END) >= length;
    }
}
