//! Reads a sidecar's admin pages over HTTP/1.1.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The admin pages of one sidecar.
#[derive(Clone, Copy, Debug)]
pub struct Admin {
    address: SocketAddr,
}

impl Admin {
    /// The pages served at `address`.
    pub fn new(address: SocketAddr) -> Admin {
        Admin { address }
    }

    /// Status and text of a page.
    pub async fn page(&self, path: &str) -> (u16, String) {
        self.page_for_host(path, &self.address.to_string()).await
    }

    /// Status and text of a page, asked for under the name `host`.
    pub async fn page_for_host(&self, path: &str, host: &str) -> (u16, String) {
        let response = self.response(path, host, "").await;
        let status = response
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let body = response.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status.expect("a status"), body.to_owned())
    }

    /// The whole response to a reader of `path` that sends `accept`.
    pub async fn response_to(&self, path: &str, accept: &str) -> String {
        let field = format!("Accept: {accept}\r\n");
        self.response(path, &self.address.to_string(), &field).await
    }

    async fn response(&self, path: &str, host: &str, field: &str) -> String {
        let mut socket = TcpStream::connect(self.address)
            .await
            .expect("a connection");
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{field}Connection: close\r\n\r\n");
        socket
            .write_all(request.as_bytes())
            .await
            .expect("a request is sent");
        let mut response = String::new();
        socket
            .read_to_string(&mut response)
            .await
            .expect("a response is read");
        response
    }

    /// The value of the series whose line begins with `series`.
    ///
    /// # Panics
    /// If there is none: a name that nobody counts under must not pass for a zero.
    pub async fn metric(&self, series: &str) -> f64 {
        let (_, text) = self.page("/metrics").await;
        find(&text, series).unwrap_or_else(|| panic!("no series {series} in\n{text}"))
    }

    /// As [`Admin::metric`]; 0 for a series that begins with its first event.
    pub async fn metric_or_zero(&self, series: &str) -> f64 {
        let (_, text) = self.page("/metrics").await;
        find(&text, series).unwrap_or(0.0)
    }

    /// Returns when `holds` is true of the page; the test's own time-out is the limit.
    pub async fn until(&self, path: &str, holds: impl Fn(u16, &str) -> bool) {
        loop {
            let (status, text) = self.page(path).await;
            if holds(status, &text) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn find(page: &str, series: &str) -> Option<f64> {
    let line = page.lines().find_map(|line| line.strip_prefix(series))?;
    line.trim().parse().ok()
}
