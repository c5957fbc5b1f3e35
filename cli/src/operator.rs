//! The connection of an operator's command to the control plane.
//!
//! Presents the operator's certificate and accepts only `spiffe://<trust domain>/control-plane`,
//! verified with the bundle beside the certificate; the trust domain is that of the certificate.
//! The control plane writes this credential into the folder `operator` in its `--data`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use outrider_causes::{CertificateDates, describe, describe_cause};
use outrider_control_plane::tls::{Credential, client_config};
use outrider_proto::v1::operator_client::OperatorClient;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Status};
use tower::service_fn;

use crate::failure::Failure;

/// Longest wait for the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A control plane that falls silent is given up after these two.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the control plane is, and who asks.
#[derive(Debug, clap::Args)]
pub struct Access {
    /// Where the control plane listens.
    #[arg(
        long,
        env = "OUTRIDER_CONTROL_PLANE",
        value_name = "URL",
        default_value = "https://127.0.0.1:15012"
    )]
    control_plane: Uri,
    /// Folder with the operator's certificate.pem, key.pem and bundle.pem: `operator` in the
    /// control plane's --data, or a copy of it.
    #[arg(long, env = "OUTRIDER_CREDENTIAL", value_name = "DIR")]
    credential: PathBuf,
}

/// Runs one command against the control plane.
///
/// # Errors
/// [`Failure::Usage`] for a credential that cannot be used, [`Failure::Runtime`] for a control
/// plane that is not there or refuses.
pub fn run<T, F: Future<Output = Result<T, Status>>>(
    access: &Access,
    command: impl FnOnce(OperatorClient<Channel>) -> F,
) -> Result<T, Failure> {
    ask(access, command, |cause| {
        format!("there is no answer: {cause}")
    })
}

/// As [`run`], for a command that changes something: an answer that was lost may be that of a change
/// that was made. `look` says how to find out.
///
/// # Errors
/// As [`run`].
pub fn change<T, F: Future<Output = Result<T, Status>>>(
    access: &Access,
    look: &str,
    command: impl FnOnce(OperatorClient<Channel>) -> F,
) -> Result<T, Failure> {
    ask(access, command, |cause| {
        format!("the answer was lost: {cause}. It may have been done all the same: {look}")
    })
}

fn ask<T, F: Future<Output = Result<T, Status>>>(
    access: &Access,
    command: impl FnOnce(OperatorClient<Channel>) -> F,
    lost: impl FnOnce(&str) -> String,
) -> Result<T, Failure> {
    runtime()?.block_on(async {
        let (client, dates) = connect(access).await?;
        let outcome = command(client).await;
        outcome.map_err(|status| match status.source() {
            // What has a cause was made here, of a connection that broke.
            Some(source) => Failure::Runtime(lost(&cause_of(source, dates))),
            None => refused(&status),
        })
    })
}

/// Connects; gives also the dates of the certificate that is shown.
async fn connect(
    access: &Access,
) -> Result<(OperatorClient<Channel>, Option<CertificateDates>), Failure> {
    let (tls, dates) = credential(&access.credential)?;
    let url = &access.control_plane;
    let Some(authority) = url
        .authority()
        .filter(|_| url.scheme_str() == Some("https"))
    else {
        let problem = format!("--control-plane is {url}, but must be https://HOST:PORT");
        return Err(Failure::Usage(problem));
    };
    let address = match url.port_u16() {
        Some(_) => authority.to_string(),
        None => format!("{authority}:15012"),
    };
    // tonic would make its own TLS of `https`; the connector makes ours.
    let plain = format!("http://{address}");
    let endpoint =
        Endpoint::from_shared(plain).map_err(|error| no_connection(url, &error, dates))?;
    let dial = service_fn(move |_: Uri| dial(address.clone(), Arc::clone(&tls)));
    let channel = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .connect_with_connector(dial)
        .await;
    let channel = channel.map_err(|error| no_connection(url, &error, dates))?;
    Ok((OperatorClient::new(channel), dates))
}

/// The answer of a control plane that did not do it, as the sentence a person reads. What it says
/// is wrong must be changed by the operator.
fn refused(status: &Status) -> Failure {
    let text = status.message().to_owned();
    match status.code() == Code::InvalidArgument {
        true => Failure::Usage(text),
        false => Failure::Runtime(text),
    }
}

/// A runtime for one command.
pub fn runtime() -> Result<Runtime, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::runtime("no runtime", &error))
}

/// The likely cause. A certificate that is not valid by our own clock is named whatever broke, because
/// the control plane's word on it may be lost with the connection.
fn cause_of(error: &(dyn Error + 'static), dates: Option<CertificateDates>) -> String {
    match dates.filter(|dates| !dates.is_valid_now()) {
        Some(dates) => {
            let cause = describe_cause(error, None);
            format!("{cause}; the operator's certificate is {dates}")
        }
        None => describe_cause(error, dates),
    }
}

fn no_connection(
    url: &Uri,
    error: &(dyn Error + 'static),
    dates: Option<CertificateDates>,
) -> Failure {
    let cause = cause_of(error, dates);
    Failure::Runtime(format!(
        "no connection to the control plane at {url}: {cause}"
    ))
}

async fn dial(
    address: String,
    tls: Arc<ClientConfig>,
) -> std::io::Result<TokioIo<tokio_rustls::client::TlsStream<TcpStream>>> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    // No name is sent or compared: an identity is a URI.
    let nameless = ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into());
    let stream = TlsConnector::from(tls).connect(nameless, socket).await?;
    Ok(TokioIo::new(stream))
}

fn credential(folder: &Path) -> Result<(Arc<ClientConfig>, Option<CertificateDates>), Failure> {
    let chain = certificates(&folder.join("certificate.pem"))?;
    let roots = certificates(&folder.join("bundle.pem"))?;
    let path = folder.join("key.pem");
    let key = PrivateKeyDer::from_pem_file(&path).map_err(|error| unusable(&path, &error))?;
    let now = i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX);
    let dates = chain
        .first()
        .and_then(|leaf| CertificateDates::of(leaf, now));
    let credential = Credential { chain, key };
    let trust_domain = credential.trust_domain();
    let trust_domain = trust_domain.map_err(|error| unusable(folder, &error))?;
    let tls = client_config(&trust_domain, roots, Some(credential));
    Ok((tls.map_err(|error| unusable(folder, &error))?, dates))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    read.map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, error: &(dyn Error + 'static)) -> Failure {
    let path = path.display();
    Failure::Usage(format!(
        "{path} (--credential) cannot be used: {}; the control plane writes the folder into \
         `operator` in its --data",
        describe(error, None)
    ))
}
