//! The admin listener: the mesh at a glance, as a page and as JSON, metrics and health.
//!
//! GET has no effect on anything, and no other method exists. Pages that show the mesh are refused
//! to requests for a foreign host name ([`host`]). Metrics and health show nothing of it, and are served
//! under any host name, because scrapers use different ones. Nothing here is secret, and nothing is
//! authenticated: the listener is on loopback by default.

mod markup;
mod page;
mod status;
mod view;

use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use outrider_host::AdminListener;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::members::sidecars::Protocol;
use crate::metrics::Levels;
use crate::registry::LeaseCounts;
use crate::serve::parts::Parts;
use status::Gathered;
pub use status::{OPEN_MESH, status};
use view::{Extent, Filter};

/// The page has its style in it and loads nothing else; no other page may frame it.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// Longest wait for the task that owns the registry.
const REGISTRY_PATIENCE: Duration = Duration::from_secs(1);

/// What `/` links to.
const PAGES: [&str; 4] = ["/status", "/metrics", "/livez", "/readyz"];

/// Serves for as long as the process lives. Returns only when the listener has failed.
pub async fn serve(listener: TcpListener, parts: Parts) {
    if let Err(error) = axum::serve(AdminListener::new(listener), routes(parts)).await {
        tracing::error!(%error, "the admin listener failed");
    }
}

fn routes(parts: Parts) -> Router {
    let shown = Router::new()
        .route("/", get(overview))
        .route("/status", get(status_json))
        .layer(middleware::from_fn(outrider_host::refuse_foreign));
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .merge(shown)
        .with_state(parts)
}

async fn overview(State(parts): State<Parts>, Query(filter): Query<Filter>) -> Response {
    let page = move |gathered: &Gathered, parts: &Parts| {
        let status = gathered.status(parts, Extent::Page(&filter));
        page::render(&status, &filter)
    };
    let rendered = rendered(parts, page).await;
    rendered.map_or_else(stopped, |page| {
        let policy: (HeaderName, _) = (header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
        ([policy], Html(page)).into_response()
    })
}

async fn status_json(State(parts): State<Parts>) -> Response {
    let json = |gathered: &Gathered, parts: &Parts| {
        let status = gathered.status(parts, Extent::All);
        serde_json::to_string_pretty(&status).ok()
    };
    let rendered = rendered(parts, json).await;
    rendered.flatten().map_or_else(stopped, |text| {
        let json = (header::CONTENT_TYPE, "application/json");
        ([json], text + "\n").into_response()
    })
}

/// The status in some form, computed on a thread for blocking work. `None`: the process is about to end.
async fn rendered<T: Send + 'static>(
    parts: Parts,
    form: impl FnOnce(&Gathered, &Parts) -> T + Send + 'static,
) -> Option<T> {
    let gathered = Gathered::of(&parts).await?;
    let rendering = tokio::task::spawn_blocking(move || form(&gathered, &parts));
    rendering.await.ok()
}

async fn metrics(State(parts): State<Parts>, headers: HeaderMap) -> Response {
    let Some(counts) = counts(&parts).await else {
        return stopped();
    };
    let text = parts.mesh.metrics.encode(levels(&parts, counts));
    outrider_host::metrics_response(&headers, text)
}

fn levels(parts: &Parts, counts: LeaseCounts) -> Levels {
    let published = parts.mesh.published.borrow();
    let sidecars = &parts.mesh.sidecars;
    Levels {
        delta: sidecars.count(Protocol::Delta),
        world: sidecars.count(Protocol::StateOfTheWorld),
        services: counts.services,
        live: counts.live,
        lapsed: counts.lapsed,
        stale: counts.stale,
        grace_seconds: counts.grace.as_secs(),
        contested: published.contested.len(),
        documents_version: published.documents_version,
        events_lost: parts.journal.dropped(),
        connections: parts.connections.counts(),
        store: parts.store.health().borrow().clone(),
    }
}

/// Alive: the task that owns the registry answers within a second.
async fn livez(State(parts): State<Parts>) -> Response {
    match counts(&parts).await {
        Some(_) => "ok\n".into_response(),
        None => stopped(),
    }
}

async fn counts(parts: &Parts) -> Option<LeaseCounts> {
    let counting = timeout(REGISTRY_PATIENCE, parts.mesh.registry.counts());
    counting.await.ok()?.ok()
}

/// Ready: it takes everything, changes too.
async fn readyz(State(parts): State<Parts>) -> Response {
    if *parts.stopping.borrow() {
        return stopped();
    }
    match &parts.store.health().borrow().failing {
        Some(reason) => {
            let problem = format!("the disk of --data takes no writes: {reason}\n");
            (StatusCode::SERVICE_UNAVAILABLE, problem).into_response()
        }
        None => "ready\n".into_response(),
    }
}

fn stopped() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use axum::extract::Request;
    use tokio::sync::watch;
    use tower::ServiceExt;

    use crate::serve::options::Options;

    const OWN: &str = "127.0.0.1:15014";

    async fn asked(parts: &Parts, host: &str, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).header(header::HOST, host);
        let request = request.body(Body::empty()).expect("a request");
        let response = routes(parts.clone()).oneshot(request).await;
        let response = response.expect("an answer");
        let (status, body) = (response.status(), response.into_body());
        let body = to_bytes(body, 1 << 20).await.expect("a body");
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn metrics_come_in_the_format_that_the_reader_asks_for() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (_stop, stopping) = watch::channel(false);
        let opened = Parts::open(Options::new(folder.path()), stopping);
        let (parts, tasks) = opened.expect("a control plane");
        tokio::spawn(tasks.registrar.run());
        for kind in ["text/plain", "application/openmetrics-text"] {
            let request = Request::get("/metrics").header(header::ACCEPT, kind);
            let request = request.body(Body::empty()).expect("a request");
            let response = routes(parts.clone()).oneshot(request).await;
            let response = response.expect("an answer");
            let answered = response.headers()[header::CONTENT_TYPE].to_str();
            let answered = answered.expect("a content type");
            assert!(answered.starts_with(kind), "{kind}: {answered}");
        }
    }

    #[tokio::test]
    async fn the_pages_of_a_new_control_plane() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (stop, stopping) = watch::channel(false);
        let opened = Parts::open(Options::new(folder.path()), stopping);
        let (parts, tasks) = opened.expect("a control plane");
        tokio::spawn(tasks.registrar.run());
        let cases = [
            (OWN, "/", StatusCode::OK, "<h2>Sidecars</h2>"),
            (OWN, "/", StatusCode::OK, "<a href=\"/status\">"),
            (
                OWN,
                "/?service=a%26b",
                StatusCode::OK,
                "<code>a&amp;b</code>",
            ),
            (OWN, "/status", StatusCode::OK, "\"grace_seconds\""),
            (OWN, "/metrics", StatusCode::OK, "leases{state=\"stale\"} 0"),
            (OWN, "/livez", StatusCode::OK, "ok"),
            (OWN, "/readyz", StatusCode::OK, "ready"),
            (OWN, "/nothing", StatusCode::NOT_FOUND, ""),
            ("evil.example", "/", StatusCode::FORBIDDEN, "not served"),
            (
                "evil.example",
                "/status",
                StatusCode::FORBIDDEN,
                "not served",
            ),
            ("control-plane:15014", "/metrics", StatusCode::OK, "leases"),
            ("control-plane:15014", "/readyz", StatusCode::OK, "ready"),
        ];
        for (host, path, expected, word) in cases {
            let (status, body) = asked(&parts, host, path).await;
            assert_eq!(status, expected, "{host} {path}");
            assert!(body.contains(word), "{host} {path}: {body}");
        }
        stop.send_replace(true);
        let (status, _) = asked(&parts, OWN, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
}
