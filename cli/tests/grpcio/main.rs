//! A client of another language, pointed at `localhost` and a sidecar's outbound port, reaches
//! `orders` of the shop with no other setting: all four types of call, over mutual TLS.
//!
//! Real processes of the real binary. The test lies here and not in `tests/` because Cargo tells
//! only a package's own tests where its binary is. The client is Python's grpcio, which
//! `tests/install-peers.sh` gets; without it the test says so and passes, unless
//! `OUTRIDER_REQUIRE_TOOLS=1`.

mod certificates;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use outrider_tests::{tools, write_service_of};
use serde_json::{Value, json};

/// A process of `outrider` that ends with its value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `outrider` with these words and returns its first line: it is ready.
fn start(words: &[&str], variables: &[(&str, &str)]) -> (Process, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_outrider"))
        .args(words)
        .envs(variables.iter().copied())
        // Held by `Child`: when this test dies in any way, the process sees its input end.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let process = Process(child);
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(!line.is_empty(), "{words:?} ended before it was ready");
    (process, line)
}

/// A service of the shop that calls others at `upstream`.
fn shop(service: &str, upstream: SocketAddr) -> (Process, SocketAddr) {
    let variables = [
        ("SHOP_LISTEN", "127.0.0.1:0"),
        ("SHOP_UPSTREAM", &upstream.to_string()),
    ];
    let (process, line) = start(&["demo-service", "--exit-with-stdin", service], &variables);
    let address = line.trim().rsplit(' ').next().unwrap();
    (process, address.parse().unwrap())
}

/// A sidecar; returns where it accepts its own application's calls, and other sidecars'.
fn sidecar(
    service: &str,
    folder: &Path,
    app: Option<SocketAddr>,
) -> (Process, SocketAddr, Option<SocketAddr>) {
    let files = certificates::files(folder, service);
    let app = app.map(|address| address.to_string());
    let path = |path: &Path| path.display().to_string();
    let flags = [
        ("--service", service.to_owned()),
        ("--documents", path(&folder.join(service))),
        ("--outbound", "127.0.0.1:0".to_owned()),
        ("--inbound", "127.0.0.1:0".to_owned()),
        ("--admin", "127.0.0.1:0".to_owned()),
        ("--certificate", path(&files.certificate)),
        ("--key", path(&files.key)),
        ("--trust-bundle", path(&files.trust_bundle)),
    ];
    let flags = flags.iter().flat_map(|(flag, value)| [*flag, value]);
    let app = app.iter().flat_map(|address| ["--app", address]);
    let words: Vec<_> = ["sidecar", "--exit-with-stdin"]
        .into_iter()
        .chain(flags)
        .chain(app)
        .collect();
    let (process, line) = start(&words, &[]);
    let ready: Value = serde_json::from_str(&line).unwrap();
    let address = |name: &str| ready[name].as_str().and_then(|text| text.parse().ok());
    (process, address("outbound").unwrap(), address("inbound"))
}

/// Writes the documents of the sidecar of `service` that name other services.
fn document(folder: &Path, service: &str, names: &[(&str, &str, SocketAddr, &str)]) {
    let folder = folder.join(service);
    std::fs::create_dir_all(&folder).unwrap();
    for (name, grpc_service, address, tls) in names {
        write_service_of(&folder, name, grpc_service, tls, &address.to_string());
    }
}

#[test]
fn a_grpcio_client_reaches_orders_with_no_setting_but_localhost() {
    let Some(python) = tools::wanted("grpcio/bin/python") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    certificates::write(folder, &["client", "orders"]).unwrap();
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));

    let (_inventory, inventory) = shop("inventory", nobody);
    let (_payments, payments) = shop("payments", nobody);
    let behind_orders = [
        ("inventory", "shop.v1.Inventory", inventory, "none"),
        ("payments", "shop.v1.Payments", payments, "none"),
    ];
    document(folder, "orders", &behind_orders);
    // Two sidecars for `orders`, one for each direction: so every port can be a free one.
    let (_orders_out, outbound, _) = sidecar("orders", folder, None);
    let (_orders, orders) = shop("orders", outbound);
    let (_orders_in, _, inbound) = sidecar("orders", folder, Some(orders));
    let inbound = inbound.expect("a sidecar with --app listens for others");
    let before_orders = [("orders", "shop.v1.Orders", inbound, "mesh")];
    document(folder, "client", &before_orders);
    let (_client, port, _) = sidecar("client", folder, None);

    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(python)
        .arg(here.join("tests/grpcio_client.py"))
        .arg(here.join("../examples/proto"))
        .arg(port.port().to_string())
        // A proxy of the machine would be a setting, and not ours.
        .env_remove("http_proxy")
        .env_remove("https_proxy")
        .env_remove("grpc_proxy")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the client failed: {problem}");
    let answers: Value = serde_json::from_str(&said).unwrap();
    let expected = json!({
        "get": ["bread", "orders"],
        "place": [640, true],
        "watch": ["placed", "paid", "packed", "delivered"],
        "price": [320, 960],
    });
    assert_eq!(answers, expected);
}
