//! Where a sidecar's configuration and identity come from, as the flags say it.
//!
//! A folder of documents with certificate files, or a control plane that gives both. Decides what
//! is allowed beside what; reads nothing. Documented in `docs/CONFIG.md`, section Flags.

use std::net::SocketAddr;
use std::path::PathBuf;

use tonic::transport::Uri;

use crate::error::StartupError;

/// Where the configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Folder of YAML documents that configure the mesh; watched while running.
    Documents(PathBuf),
    /// A control plane, of whose mesh this sidecar is a member.
    ControlPlane(Membership),
}

/// How to become, and stay, a member of a control plane's mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The control plane: `https://HOST:PORT`.
    pub control_plane: Uri,
    /// File with the token to join with; read at each try, so that it may come later and be
    /// replaced. `None`: `data` holds an identity already.
    pub token_file: Option<PathBuf>,
    /// Folder for the key, the certificate and the last good configuration; made when missing. One
    /// sidecar at a time.
    pub data: PathBuf,
    /// Where others reach the inbound listener. `None`: its own address or, when it listens on all,
    /// the local address of the connection to the control plane.
    pub advertise: Option<SocketAddr>,
}

impl Membership {
    /// Checks values of their own; `has_app` is whether there is an application to advertise.
    ///
    /// # Errors
    /// [`StartupError::Flag`] names the flag and what would be right.
    pub fn check(&self, has_app: bool) -> Result<(), StartupError> {
        let wrong = |flag, problem| Err(StartupError::Flag { flag, problem });
        if !is_control_plane(&self.control_plane) {
            let problem = format!("is {}, but must be https://HOST:PORT", self.control_plane);
            return wrong("--control-plane", problem);
        }
        let Some(address) = self.advertise else {
            return Ok(());
        };
        if !has_app {
            let problem = "says where an application is reached, which needs --app";
            return wrong("--advertise", problem.to_owned());
        }
        if address.ip().is_unspecified() || address.ip().is_multicast() || address.port() == 0 {
            let problem = format!("is {address}, but must be an address others can connect to");
            return wrong("--advertise", problem);
        }
        Ok(())
    }
}

/// The path and the method are gRPC's own.
fn is_control_plane(url: &Uri) -> bool {
    let bare = url.query().is_none() && matches!(url.path(), "" | "/");
    url.scheme_str() == Some("https") && url.port_u16().is_some() && bare
}

#[cfg(test)]
mod tests {
    use super::*;

    fn membership(url: &'static str, advertise: Option<&str>) -> Membership {
        Membership {
            control_plane: Uri::from_static(url),
            token_file: None,
            data: PathBuf::from("data"),
            advertise: advertise.map(|address| address.parse().expect("an address")),
        }
    }

    #[test]
    fn what_a_member_may_be_told() {
        const GOOD: &str = "https://mesh:15012";
        let cases = [
            (GOOD, None, false, None),
            (GOOD, Some("10.0.0.5:15006"), true, None),
            (
                "http://mesh:15012",
                None,
                true,
                Some("--control-plane is http://mesh:15012/, but must be https://HOST:PORT"),
            ),
            (
                "https://mesh",
                None,
                true,
                Some("--control-plane is https://mesh/, but must be https://HOST:PORT"),
            ),
            (
                "https://mesh:15012/xds",
                None,
                true,
                Some("--control-plane is https://mesh:15012/xds, but must be https://HOST:PORT"),
            ),
            (
                GOOD,
                Some("10.0.0.5:15006"),
                false,
                Some("--advertise says where an application is reached, which needs --app"),
            ),
            (
                GOOD,
                Some("0.0.0.0:15006"),
                true,
                Some("--advertise is 0.0.0.0:15006, but must be an address others can connect to"),
            ),
            (
                GOOD,
                Some("10.0.0.5:0"),
                true,
                Some("--advertise is 10.0.0.5:0, but must be an address others can connect to"),
            ),
        ];
        for (url, advertise, has_app, expected) in cases {
            let checked = membership(url, advertise).check(has_app);
            let problem = checked.err().map(|error| error.to_string());
            assert_eq!(problem.as_deref(), expected);
        }
    }
}
