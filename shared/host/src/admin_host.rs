//! Refuses requests for a host name that is not this machine's.
//!
//! A web page may let its own name point to 127.0.0.1 (DNS rebinding) and then read what is served
//! there; such a request names the page's host. `localhost` and addresses cannot be rebound.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Passes a request on when its `Host` is `localhost` or an IP address, with any port.
pub async fn refuse_foreign(request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    match host {
        Some(host) if hosts.next().is_none() && is_own(host) => next.run(request).await,
        Some(_) | None => (
            StatusCode::FORBIDDEN,
            "ask by address or as localhost: this Host is not served\n",
        )
            .into_response(),
    }
}

fn is_own(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !name.ends_with(':') => (name, Some(port)),
        Some(_) | None => (host, None),
    };
    // The dot of an absolute name, and a port that is empty (RFC 3986 3.2.3), name no other host.
    let name = name.strip_suffix('.').unwrap_or(name);
    let localhost = name.eq_ignore_ascii_case("localhost")
        && port.is_none_or(|port| port.is_empty() || port.parse::<u16>().is_ok());
    localhost || host.parse::<SocketAddr>().is_ok() || is_address(host)
}

fn is_address(host: &str) -> bool {
    let unbracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    unbracketed.unwrap_or(host).parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_localhost_and_addresses_are_served() {
        let cases = [
            ("localhost", true),
            ("LocalHost:15000", true),
            ("127.0.0.1", true),
            ("127.0.0.1:15000", true),
            ("[::1]:15000", true),
            ("[::1]", true),
            ("10.0.0.7:15000", true),
            ("localhost:", true),
            ("localhost.", true),
            ("localhost.:15000", true),
            ("localhost..", false),
            ("localhost:x", false),
            ("localhost.evil.example", false),
            ("evil.example", false),
            ("evil.example:15000", false),
            ("127.0.0.1.evil.example", false),
            ("", false),
        ];
        for (host, expected) in cases {
            assert_eq!(is_own(host), expected, "{host:?}");
        }
    }
}
