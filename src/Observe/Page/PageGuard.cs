using System.Net;
using Microsoft.AspNetCore.Http;

namespace ClusterMesh.Datapath.Observe.Page;

/// <summary>
/// Lets in only who asks for this page by this machine's own name, so that no page from elsewhere can read it through a person's browser: neither by a
/// name that is pointed here (DNS rebinding) nor from another origin.
/// </summary>
internal static class PageGuard
{
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    public static async Task RunAsync(HttpContext context, RequestDelegate next)
    {
        IHeaderDictionary headers = context.Response.Headers;
        headers.ContentSecurityPolicy = Policy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers.CacheControl = "no-store";
        if (Refusal(context.Request) is { } refusal)
        {
            await PageJson.RefuseAsync(context, StatusCodes.Status403Forbidden, refusal).ConfigureAwait(false);
            return;
        }

        if (!HttpMethods.IsGet(context.Request.Method))
        {
            headers.Allow = "GET";
            await PageJson.RefuseAsync(context, StatusCodes.Status405MethodNotAllowed, "this page is for reading only; use GET").ConfigureAwait(false);
            return;
        }

        await next(context).ConfigureAwait(false);
    }

    private static string? Refusal(HttpRequest request)
    {
        if (!IsOurs(request.Host.Host))
        {
            return "this page answers only as localhost or a loopback address; open it as http://localhost and the port, through ssh -L from elsewhere";
        }

        string origin = request.Headers.Origin.ToString();
        string site = request.Headers["Sec-Fetch-Site"].ToString();
        return (origin.Length > 0 && !string.Equals(origin, $"http://{request.Host}", StringComparison.OrdinalIgnoreCase)) || site is "cross-site" or "same-site"
            ? "a page of another origin asks; open this one by itself"
            : null;
    }

    private static bool IsOurs(string host) =>
        string.Equals(host, "localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? address) && IPAddress.IsLoopback(address));
}
