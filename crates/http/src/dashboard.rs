//! What to look at: rate, errors and duration first, then what limits the server.

use bellwether_artifacts::{Dashboard, Panel};

pub(crate) fn http() -> Dashboard {
    Dashboard::new("http", "HTTP", "Rate, errors and duration of requests, and what limits the server.")
        .row("Rate, errors, duration", [
            Panel::stat("Requests", "Requests answered a second, all routes. A sudden fall is as telling as a rise.")
                .query("sum(rate(http_requests_total[$__rate_interval]))", "requests")
                .unit("reqps")
                .overview(),
            Panel::stat("Errors", "Share of requests answered with 5xx. Red is where the alert stands.")
                .share("http_requests_total{status=~\"5..\"}", "http_requests_total", "", "5xx")
                .alert("HttpErrorRatioHigh", "ratio")
                .overview(),
            Panel::stat("p95", "95 % of requests take less than this, to the end of the body.")
                .quantiles("http_request_duration_seconds", "", &[0.95])
                .alert("HttpLatencyHigh", "seconds")
                .overview(),
            Panel::stat("In flight", "Requests that are being answered now.")
                .query("sum(http_requests_in_flight)", "in flight")
                .alert("HttpRequestsStuck", "requests")
                .overview(),
        ])
        .row("By route", [
            Panel::timeseries("Requests by route", "Requests a second by route template. `unmatched` is what no route took: scanners, or a client with a wrong path.")
                .query("sum by (route) (rate(http_requests_total[$__rate_interval]))", "{{route}}")
                .unit("reqps")
                .stacked()
                .min(0.0),
            Panel::timeseries("Requests by status", "Requests a second by status. 499 are clients that went away before the answer.")
                .query("sum by (status) (rate(http_requests_total[$__rate_interval]))", "{{status}}")
                .unit("reqps")
                .stacked()
                .min(0.0),
            Panel::timeseries("Errors by route", "Share of 5xx by route: which one fails.")
                .share("http_requests_total{status=~\"5..\"}", "http_requests_total", "route", "{{route}}")
                .alert("HttpErrorRatioHigh", "ratio")
                .min(0.0),
        ])
        .row("Duration", [
            Panel::timeseries("Quantiles", "How long requests take. p99 far above p95 is a small group of slow requests: look which route.")
                .quantiles("http_request_duration_seconds", "", &[0.5, 0.95, 0.99])
                .min(0.0),
            Panel::timeseries("p95 by route", "The slow routes.")
                .query("histogram_quantile(0.95, sum by (le, route) (rate(http_request_duration_seconds_bucket[$__rate_interval])))", "{{route}}")
                .alert("HttpLatencyHigh", "seconds")
                .min(0.0),
            Panel::heatmap("Distribution", "Requests by duration over time. A second band is a second kind of request, or a cache that misses.")
                .query("sum by (le) (increase(http_request_duration_seconds_bucket[$__rate_interval]))", "{{le}}"),
        ])
        .row("Limits", [
            Panel::timeseries("In flight", "Requests being answered, by instance. A steady climb without more requests is something stuck.")
                .query("sum by (instance) (http_requests_in_flight)", "{{instance}}")
                .alert("HttpRequestsStuck", "requests")
                .min(0.0),
            Panel::timeseries("Connections", "Open connections that carried a request, by protocol.")
                .query("sum by (protocol) (http_connections)", "{{protocol}}")
                .min(0.0),
            Panel::timeseries("Answers broken off", "Answers whose body was not sent to its end, by route: impatient clients or failing streams.")
                .query("sum by (route) (rate(http_responses_aborted_total[$__rate_interval]))", "{{route}}")
                .min(0.0),
            Panel::timeseries("Turned away", "Requests a second over a rate limit, by route, and failed authentications.")
                .query("sum by (route) (rate(http_rate_limited_total[$__rate_interval]))", "limited {{route}}")
                .query("sum by (status) (rate(http_auth_attempts_total[$__rate_interval]))", "authentication {{status}}")
                .unit("reqps")
                .min(0.0),
        ])
        .row("Sizes", [
            Panel::timeseries("Answer size", "Size of answers' bodies.")
                .quantiles("http_response_size_bytes", "", &[0.5, 0.95])
                .min(0.0),
            Panel::timeseries("Request size", "Size of requests' bodies, where they announce it.")
                .quantiles("http_request_size_bytes", "", &[0.5, 0.95])
                .min(0.0),
            Panel::timeseries("Traffic", "Bytes a second of bodies out and in.")
                .query("sum(rate(http_response_size_bytes_sum[$__rate_interval]))", "out")
                .query("sum(rate(http_request_size_bytes_sum[$__rate_interval]))", "in")
                .min(0.0),
        ])
}

pub(crate) fn tenants() -> Dashboard {
    Dashboard::new("http-tenant", "HTTP by tenant", "Who sends the requests, and how they fare.")
        .variable("tenant", "http_tenant_requests_total", "tenant")
        .row("Tenants", [
            Panel::timeseries("Requests by tenant", "Requests a second. One tenant far above the others may need a limit.")
                .query("sum by (tenant) (rate(http_tenant_requests_total{tenant=~\"$tenant\"}[$__rate_interval]))", "{{tenant}}")
                .unit("reqps")
                .stacked()
                .min(0.0),
            Panel::timeseries("Errors by tenant", "Share of 5xx. One tenant alone points at its data, all of them at the service.")
                .share("http_tenant_requests_total{status_class=\"5xx\",tenant=~\"$tenant\"}", "http_tenant_requests_total{tenant=~\"$tenant\"}", "tenant", "{{tenant}}")
                .min(0.0),
            Panel::timeseries("p95 by tenant", "How long a tenant's requests take.")
                .query(
                    "histogram_quantile(0.95, sum by (le, tenant) (rate(http_tenant_request_duration_seconds_bucket{tenant=~\"$tenant\"}[$__rate_interval])))",
                    "{{tenant}}",
                )
                .min(0.0),
        ])
}
