using System.Text;

namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>One commit as a journal record: a revision, what was put, deleted, granted and revoked.</summary>
internal sealed class CommitRecord : IDisposable
{
    private const byte PutMark = 1;
    private const byte DeleteMark = 2;
    private const byte GrantMark = 3;
    private const byte RevokeMark = 4;

    private readonly MemoryStream _bytes = new();
    private readonly BinaryWriter _writer;

    public CommitRecord(long revision)
    {
        _writer = new BinaryWriter(_bytes, Encoding.UTF8);
        _writer.Write(revision);
    }

    public void Put(StoreEntry entry)
    {
        _writer.Write(PutMark);
        _writer.Write(entry.Key);
        _writer.Write(entry.Revision);
        _writer.Write(entry.Lease);
        _writer.Write7BitEncodedInt(entry.Value.Length);
        _writer.Write(entry.Value.Span);
    }

    public void Delete(string key)
    {
        _writer.Write(DeleteMark);
        _writer.Write(key);
    }

    public void Grant(long lease, TimeSpan timeToLive)
    {
        _writer.Write(GrantMark);
        _writer.Write(lease);
        _writer.Write(timeToLive.Ticks);
    }

    public void Revoke(long lease)
    {
        _writer.Write(RevokeMark);
        _writer.Write(lease);
    }

    public byte[] ToBytes() => _bytes.ToArray();

    public void Dispose() => _writer.Dispose();

    public static void Replay(byte[] payload, StoreTree into)
    {
        using BinaryReader reader = new(new MemoryStream(payload), Encoding.UTF8);
        into.Revision = reader.ReadInt64();
        while (reader.BaseStream.Position < payload.Length)
        {
            switch (reader.ReadByte())
            {
                case PutMark:
                    string key = reader.ReadString();
                    long revision = reader.ReadInt64();
                    long lease = reader.ReadInt64();
                    into.Put(new StoreEntry(key, reader.ReadBytes(reader.Read7BitEncodedInt()), revision, lease));
                    break;
                case DeleteMark:
                    into.Remove(reader.ReadString());
                    break;
                case GrantMark:
                    into.Grant(reader.ReadInt64(), TimeSpan.FromTicks(reader.ReadInt64()));
                    break;
                case RevokeMark:
                    into.Revoke(reader.ReadInt64());
                    break;
                default:
                    throw new StoreException(StoreFault.Refused, "the store was written by a newer version of cmesh-agent; run that one");
            }
        }
    }
}
