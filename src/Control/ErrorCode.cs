namespace ClusterMesh.Datapath.Control;

/// <summary>What an error answer of the control socket says; the closed list of docs/control-protocol.md.</summary>
public enum ErrorCode
{
    ParseError = -32700,
    InvalidRequest = -32600,
    MethodNotFound = -32601,
    InvalidParams = -32602,
    InternalError = -32603,
    InvalidConfiguration = 1,
    NotFound = 2,
    DeviceFailed = 3,
    RequestTooLarge = 4,
    TooManyConnections = 5,
    TooManyRequests = 6,
    ShuttingDown = 7,
    NotPermitted = 8,
    RequestTimeout = 9,
    WorkerStuck = 10,
}
