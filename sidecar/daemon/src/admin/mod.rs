//! The admin listener: metrics, health and status, as JSON and text only.
//!
//! GET has no effect on anything, no other method exists, and a request for a foreign host name is
//! refused (`shared/host/src/admin_host.rs`). Runs on the control thread; asks the workers only for gauges.

mod clusters;
mod configuration;
mod health;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use outrider_host::AdminListener;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::clock::{self, Clock};
use crate::control::status::{ConfigurationStatus, IdentityStatus, NameStatus, Phase};
use crate::member::MemberStatus;
use crate::telemetry::Metrics;
use crate::worker::Workers;

/// What the pages show; cheap to copy.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The process's clock.
    pub clock: Clock,
    /// The workers, for gauges and heartbeats.
    pub workers: Workers,
    /// All metrics.
    pub metrics: Arc<Metrics>,
    /// The configuration in force.
    pub configuration: watch::Receiver<Arc<ConfigurationStatus>>,
    /// The identity in use; `None` when TLS is not used, or there is none yet.
    pub identity: watch::Receiver<Option<IdentityStatus>>,
    /// The control plane, if there is one.
    pub member: Option<watch::Receiver<MemberStatus>>,
    /// Serving or draining.
    pub phase: watch::Receiver<Phase>,
}

/// Serves for as long as the process lives: `/readyz` must say "draining" to the end. Returns only
/// when the listener has failed.
pub async fn serve(listener: TcpListener, admin: Admin) {
    if let Err(error) = axum::serve(AdminListener::new(listener), routes(admin)).await {
        tracing::error!(%error, "the admin listener failed");
    }
}

fn routes(admin: Admin) -> Router {
    let index = index();
    let root = Router::new().route("/", get(|| async { index }));
    pages()
        .into_iter()
        .fold(root, |router, (path, _, page)| router.route(path, page))
        .layer(middleware::from_fn(outrider_host::refuse_foreign))
        .with_state(admin)
}

/// Every page: its path, what it shows, and who answers.
fn pages() -> [(&'static str, &'static str, MethodRouter<Admin>); 5] {
    [
        ("/metrics", "all metrics (docs/METRICS.md)", get(metrics)),
        (
            "/livez",
            "503 when the process should be restarted",
            get(livez),
        ),
        (
            "/readyz",
            "503 when it should get no calls; ?verbose says more",
            get(readyz),
        ),
        (
            "/config",
            "the configuration and the identity in force",
            get(config),
        ),
        (
            "/clusters",
            "every endpoint of every service, worker by worker",
            get(clusters),
        ),
    ]
}

/// The page `/`: a line for each of the others.
fn index() -> String {
    let lines = pages().map(|(path, shows, _)| format!("{path:<10} {shows}\n"));
    lines.concat()
}

async fn metrics(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let gauges: Vec<_> = admin.workers.gauges().await.into_iter().flatten().collect();
    let silence = admin
        .workers
        .silences()
        .into_iter()
        .max()
        .unwrap_or(Duration::ZERO);
    admin.metrics.show(&gauges, silence.as_secs_f64());
    admin.metrics.show_resources(admin.workers.resources());
    let age = admin
        .clock
        .now()
        .since(admin.configuration.borrow().accepted_at);
    let left = admin
        .identity
        .borrow()
        .as_ref()
        .map_or(0, |it| it.expires_unix - clock::unix_seconds());
    admin.metrics.ages(age.as_secs_f64(), left.max(0) as f64);
    if let Some(member) = &admin.member {
        let (now, now_unix) = (admin.clock.now(), clock::unix_seconds());
        admin.metrics.membership(now, now_unix, &member.borrow());
    }
    outrider_host::metrics_response(&headers, admin.metrics.encode())
}

async fn livez(State(admin): State<Admin>) -> Response {
    verdict(&health::stalled(&admin.workers.silences()), &[])
}

/// Beside the verdict it says that joining again is refused, and with `?verbose` whether the application
/// is announced, or why not, and which names of endpoints do not resolve, and why.
async fn readyz(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Response {
    let mut problems = health::stalled(&admin.workers.silences());
    problems.extend(health::not_ready(
        *admin.phase.borrow(),
        admin.identity.borrow().as_ref(),
        clock::unix_seconds(),
    ));
    if let Some(member) = &admin.member {
        let has_identity = admin.identity.borrow().is_some();
        problems.extend(member.borrow().not_ready(has_identity));
    }
    let verbose = query.is_some_and(|query| query.split('&').any(|word| word == "verbose"));
    let member = admin.member.as_ref().map(|member| member.borrow().clone());
    let rejoining = member.as_ref().and_then(MemberStatus::rejoining);
    let mut beside: Vec<String> = rejoining.into_iter().collect();
    if verbose {
        beside.extend(member.and_then(|member| member.announcement()));
        let names = &admin.configuration.borrow().names;
        beside.extend(names.iter().filter_map(NameStatus::trouble));
    }
    verdict(&problems, &beside)
}

async fn config(State(admin): State<Admin>) -> Response {
    let status = Arc::clone(&admin.configuration.borrow());
    let identity = admin.identity.borrow().clone();
    let member = admin.member.as_ref().map(|member| member.borrow().clone());
    json(&configuration::page(
        admin.clock.now(),
        &status,
        identity.as_ref(),
        member.as_ref(),
    ))
}

async fn clusters(State(admin): State<Admin>) -> Response {
    json(&clusters::page(&admin.workers.gauges().await))
}

/// 200 and `ok`, or 503 and a line for each problem; then a line for each thing beside it.
fn verdict(problems: &[String], beside: &[String]) -> Response {
    let (status, mut text) = match problems {
        [] => (StatusCode::OK, "ok\n".to_owned()),
        problems => (StatusCode::SERVICE_UNAVAILABLE, problems.join("\n") + "\n"),
    };
    text.extend(beside.iter().map(|line| format!("{line}\n")));
    (status, text).into_response()
}

fn json(page: &impl Serialize) -> Response {
    match serde_json::to_string_pretty(page) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text + "\n").into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
