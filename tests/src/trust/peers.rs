//! The proxies of others, each as a plaintext HTTP/2 proxy with one worker and otherwise as shipped.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;

use super::conformance::Line;
use super::options::Options;
use crate::hostile::ground::Proxy;
use crate::tools::{find, free_address};

/// A proxy that is on this machine.
#[derive(Clone, Debug)]
pub struct Peer {
    kind: Kind,
    program: PathBuf,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Nginx,
    Envoy,
    HaProxy,
}

/// Those that are there, and the names of those that are not there or not asked for.
pub fn found(options: &Options) -> (Vec<Peer>, Vec<&'static str>) {
    let (mut found, mut absent) = (Vec::new(), Vec::new());
    for kind in [Kind::Nginx, Kind::Envoy, Kind::HaProxy] {
        match find(kind.program()).filter(|_| !options.ours_only) {
            Some(program) => found.push(Peer { kind, program }),
            None => absent.push(kind.name()),
        }
    }
    (found, absent)
}

/// The report's line on proxies that the table is without.
pub fn absence(names: &[&str]) -> Option<Line> {
    let names = names.join(", ");
    let line = format!("left out or not on this machine (tests/install-peers.sh): {names}");
    (!names.is_empty()).then(|| Line::left_out(&line))
}

impl Kind {
    fn program(self) -> &'static str {
        match self {
            Kind::Nginx => "nginx",
            Kind::Envoy => "envoy",
            Kind::HaProxy => "haproxy",
        }
    }

    /// What people call it.
    fn name(self) -> &'static str {
        match self {
            Kind::Nginx => "nginx",
            Kind::Envoy => "Envoy",
            Kind::HaProxy => "HAProxy",
        }
    }
}

impl Peer {
    /// Name and version, as it says itself.
    pub fn title(&self) -> String {
        let version = match self.kind {
            Kind::Nginx | Kind::HaProxy => "-v",
            Kind::Envoy => "--version",
        };
        let output = std::process::Command::new(&self.program)
            .arg(version)
            .output();
        let said = output.map(|output| [output.stdout, output.stderr].concat());
        let said = String::from_utf8_lossy(&said.unwrap_or_default()).into_owned();
        format!("{} {}", self.kind.name(), version_in(&said))
    }

    /// Starts it on a free port, in front of `backend`, with its files in `folder`.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(&self, folder: &Path, backend: SocketAddr) -> io::Result<Proxy> {
        let listen = free_address();
        // Envoy knows the format by the file's name, and a document of JSON is one of YAML.
        let file = folder.join("proxy.yaml");
        let text = match self.kind {
            Kind::Nginx => nginx(folder, listen, backend),
            Kind::Envoy => envoy(listen, backend),
            Kind::HaProxy => haproxy(listen, backend),
        };
        std::fs::write(&file, text)?;
        let mut command = Command::new(&self.program);
        match self.kind {
            Kind::Nginx => command.arg("-p").arg(folder).arg("-c"),
            Kind::HaProxy => command.args(["-db", "-q", "-f"]),
            Kind::Envoy => command.args(ENVOY_WORDS),
        };
        command
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Proxy::of_others(command, listen)
    }
}

const ENVOY_WORDS: [&str; 6] = [
    "--concurrency",
    "1",
    "--log-level",
    "off",
    "--use-dynamic-base-id",
    "--config-path",
];

/// The first word that looks like `1.2.3`.
fn version_in(text: &str) -> String {
    let words = text.split(|c: char| !(c.is_ascii_digit() || c == '.'));
    let mut versions =
        words.filter(|word| word.matches('.').count() >= 2 && !word.starts_with('.'));
    versions.next().unwrap_or("?").to_owned()
}

fn nginx(folder: &Path, listen: SocketAddr, backend: SocketAddr) -> String {
    format!(
        "daemon off;
worker_processes 1;
pid {folder}/pid;
error_log /dev/null;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream victim {{ server {backend}; keepalive 100; }}
  server {{
    listen {listen} http2;
    location / {{ grpc_pass grpc://victim; }}
  }}
}}
",
        folder = folder.display()
    )
}

fn haproxy(listen: SocketAddr, backend: SocketAddr) -> String {
    format!(
        "global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
frontend in
  bind {listen} proto h2
  default_backend victim
backend victim
  server victim {backend} proto h2
"
    )
}

fn envoy(listen: SocketAddr, backend: SocketAddr) -> String {
    let socket = |address: SocketAddr| json!({ "socket_address": { "address": address.ip(), "port_value": address.port() } });
    let kind = |name: &str| format!("type.googleapis.com/envoy.extensions.{name}");
    let router = json!({ "name": "router", "typed_config": { "@type": kind("filters.http.router.v3.Router") } });
    let route =
        json!({ "match": { "prefix": "/" }, "route": { "cluster": "victim", "timeout": "0s" } });
    let manager = json!({
        "@type": kind("filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "in",
        "codec_type": "HTTP2",
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [route] }] },
        "http_filters": [router],
    });
    let http2 = json!({
        "@type": kind("upstreams.http.v3.HttpProtocolOptions"),
        "explicit_http_config": { "http2_protocol_options": {} },
    });
    let endpoint = json!({ "endpoint": { "address": socket(backend) } });
    let bootstrap = json!({ "static_resources": {
        "listeners": [{
            "address": socket(listen),
            "filter_chains": [{ "filters": [{ "name": "http", "typed_config": manager }] }],
        }],
        "clusters": [{
            "name": "victim",
            "type": "STATIC",
            "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2 },
            "load_assignment": { "cluster_name": "victim", "endpoints": [{ "lb_endpoints": [endpoint] }] },
        }],
    } });
    bootstrap.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (said, version) in [
            ("nginx version: nginx/1.22.1\n", "1.22.1"),
            (
                "HAProxy version 2.6.12-1+deb12u2 2025/04/26 - https://haproxy.org/\n",
                "2.6.12",
            ),
            (
                "envoy  version: 0123abc/1.40.0/Clean/RELEASE/BoringSSL",
                "1.40.0",
            ),
            ("", "?"),
        ] {
            assert_eq!(version_in(said), version);
        }
    }
}
