using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace ClusterMesh.Datapath.Io.Native;

/// <summary>A netlink request in the making: header, the family's header, attributes, each on a 4-byte boundary with zeros between.</summary>
internal ref struct NetlinkMessage
{
    private const int HeaderLength = 16;
    private const int AttributeHeaderLength = 4;

    private readonly Span<byte> _buffer;
    private int _length;

    public NetlinkMessage(Span<byte> buffer, ushort type, ushort flags, uint sequence)
    {
        _buffer = buffer;
        _buffer.Clear();
        var header = new NetlinkHeader { Type = type, Flags = flags, Sequence = sequence };
        MemoryMarshal.Write(_buffer, in header);
        _length = HeaderLength;
    }

    /// <summary>The message so far, ready to be sent.</summary>
    public readonly ReadOnlySpan<byte> Bytes
    {
        get
        {
            MemoryMarshal.Write(_buffer, (uint)_length);
            return _buffer[.._length];
        }
    }

    /// <summary>One of the headers of rtnetlink; their sizes are multiples of four.</summary>
    public void Add<T>(in T header)
        where T : unmanaged
    {
        MemoryMarshal.Write(_buffer[_length..], in header);
        _length += Unsafe.SizeOf<T>();
    }

    public void AddAttribute(ushort type, scoped ReadOnlySpan<byte> value)
    {
        Span<byte> attribute = _buffer[_length..];
        MemoryMarshal.Write(attribute, (ushort)(AttributeHeaderLength + value.Length));
        MemoryMarshal.Write(attribute[2..], type);
        value.CopyTo(attribute[AttributeHeaderLength..]);
        _length += NetlinkAttributes.Aligned(AttributeHeaderLength + value.Length);
    }

    public void AddAttribute(ushort type, uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        MemoryMarshal.Write(bytes, in value);
        AddAttribute(type, bytes);
    }

    /// <summary>Text with the zero behind it that the kernel expects.</summary>
    public void AddAttribute(ushort type, string value) => AddAttribute(type, Encoding.UTF8.GetBytes(value + '\0'));
}
