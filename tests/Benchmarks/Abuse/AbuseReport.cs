namespace ClusterMesh.Datapath.Benchmarks.Abuse;

/// <summary>The line that is said of a socket.</summary>
/// <param name="Requests">Malformed ones that were to be sent.</param>
/// <param name="Answered">Of them with a line of an answer.</param>
/// <param name="Unanswered">Sent, and cut off.</param>
/// <param name="Parted">Connections that the server ended for too many malformed requests in a row.</param>
/// <param name="Rate">Answers a second.</param>
/// <param name="Turns">Of each other kind of client, how often it had its way or was stopped.</param>
internal sealed record AbuseReport(
    string Socket, int Requests, int Answered, int Unanswered, int Parted, double Seconds, int Rate, IReadOnlyDictionary<string, int> Turns);
