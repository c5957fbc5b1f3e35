//! The promise: the admin pages tell the truth, to this machine only, and change nothing.

use outrider_daemon::{Options, Source, StartupError};
use outrider_tests::{Application, Caller, Sidecar, write_service};

#[tokio::test]
async fn every_call_is_counted_when_it_has_ended_whichever_worker_carried_it() {
    let application = Application::start("one").await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_service(
        folder.path(),
        "orders",
        "none",
        &application.address.to_string(),
    );
    let options = Options {
        workers: 3,
        ..Sidecar::options("frontend", folder.path())
    };
    let sidecar = Sidecar::start(options).await.expect("the sidecar starts");
    for _ in 0..10 {
        let caller = Caller::connect(sidecar.addresses().outbound).await;
        caller
            .call("orders", "/a.B/Get", b"")
            .await
            .expect("a response");
    }
    let admin = sidecar.admin();
    let calls = r#"outrider_calls_total{side="outbound",service="orders",method="other",code="OK",peer="none"}"#;
    assert_eq!(
        admin.metric(calls).await,
        10.0,
        "{}",
        admin.page("/metrics").await.1
    );
    let attempts = r#"outrider_attempts_total{side="outbound",service="orders"}"#;
    assert_eq!(admin.metric(attempts).await, 10.0);
}

#[tokio::test]
async fn pages_are_served_to_this_machine_only() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_service(folder.path(), "orders", "none", "127.0.0.1:1");
    let sidecar = Sidecar::start(Sidecar::options("frontend", folder.path()));
    let sidecar = sidecar.await.expect("the sidecar starts");
    let admin = sidecar.admin();
    let (_, index) = admin.page("/").await;
    let listed = index.lines().filter_map(|line| line.split(' ').next());
    let listed: Vec<&str> = listed.collect();
    let pages = ["/metrics", "/livez", "/readyz", "/config", "/clusters"];
    assert_eq!(listed, pages, "{index}");
    for path in ["/"].into_iter().chain(listed) {
        assert_eq!(admin.page(path).await.0, 200, "{path}");
        assert_eq!(
            admin.page_for_host(path, "localhost").await.0,
            200,
            "{path}"
        );
        assert_eq!(
            admin.page_for_host(path, "rebound.example").await.0,
            403,
            "{path}"
        );
    }
}

#[tokio::test]
async fn metrics_come_in_the_format_that_the_reader_asks_for() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_service(folder.path(), "orders", "none", "127.0.0.1:1");
    let sidecar = Sidecar::start(Sidecar::options("frontend", folder.path()));
    let sidecar = sidecar.await.expect("the sidecar starts");
    let cases = [
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", false),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            true,
        ),
    ];
    for (accept, content_type, is_open_metrics) in cases {
        let response = sidecar.admin().response_to("/metrics", accept).await;
        let field = format!("content-type: {content_type}\r\n");
        assert!(response.contains(&field), "{accept}: {response}");
        let kind = if is_open_metrics {
            "# TYPE outrider_records_dropped counter\n"
        } else {
            "# TYPE outrider_records_dropped_total counter\n"
        };
        assert!(response.contains(kind), "{accept}: {response}");
        assert_eq!(response.ends_with("# EOF\n"), is_open_metrics, "{accept}");
    }
}

#[tokio::test]
async fn an_endpoint_is_shown_with_its_state() {
    let application = Application::start("one").await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_service(
        folder.path(),
        "orders",
        "none",
        &application.address.to_string(),
    );
    let sidecar = Sidecar::start(Sidecar::options("frontend", folder.path()));
    let sidecar = sidecar.await.expect("the sidecar starts");
    let caller = Caller::connect(sidecar.addresses().outbound).await;
    caller
        .call("orders", "/a.B/Get", b"")
        .await
        .expect("a response");
    let (_, page) = sidecar.admin().page("/clusters").await;
    let page: serde_json::Value = serde_json::from_str(&page).expect("the page is JSON");
    let cluster = &page[0]["clusters"][0];
    assert_eq!(cluster["name"], "orders", "{page}");
    let endpoint = &cluster["endpoints"][0];
    assert_eq!(endpoint["address"], application.address.to_string());
    assert_eq!(
        (&endpoint["breaker"], &endpoint["out"]),
        (&"closed".into(), &false.into())
    );
}

#[tokio::test]
async fn what_prevents_a_start_is_said_in_one_line_that_names_the_flag() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_service(folder.path(), "orders", "none", "127.0.0.1:1");
    let good = Options {
        workers: 2,
        ..Sidecar::options("frontend", folder.path())
    };
    let first = Sidecar::start(good.clone())
        .await
        .expect("the sidecar starts");
    let taken = first.addresses();
    let missing = folder.path().join("missing");
    let cases = [
        (
            Options {
                outbound: taken.outbound,
                ..good.clone()
            },
            "with --outbound",
        ),
        (
            Options {
                admin: taken.admin,
                ..good.clone()
            },
            "with --admin",
        ),
        (
            Options {
                source: Source::Documents(missing),
                ..good.clone()
            },
            "point --documents at a folder",
        ),
        (Options { workers: 0, ..good }, "--workers is 0"),
    ];
    for (options, expected) in cases {
        let error: StartupError = Sidecar::start(options).await.expect_err(expected);
        let text = error.to_string();
        assert!(text.contains(expected) && !text.contains('\n'), "{text}");
    }
}
