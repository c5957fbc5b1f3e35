//! `outrider probe URL`: asks a page of an admin listener, for images that have no shell and no curl.
//!
//! Decides only by the HTTP status: 200 is well, anything else is not. Plain HTTP/1.1, as admin
//! listeners speak it.

use std::io::{self, Write};
use std::time::Duration;

use clap::value_parser;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tonic::codegen::Bytes;
use tonic::codegen::http::StatusCode;
use tonic::transport::Uri;

use crate::failure::Failure;

/// What to ask, and for how long.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// For example http://127.0.0.1:15000/readyz.
    url: Uri,
    /// Longest time for the whole answer, 1 to 3600 seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = value_parser!(u64).range(1..=3_600))]
    timeout: u64,
}

/// Prints the page.
///
/// # Errors
/// When there is no answer in time, or when its status is not 200.
pub fn run(args: &Args) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::runtime("no runtime", &error))?;
    let limit = Duration::from_secs(args.timeout);
    let (status, page) = runtime
        .block_on(async { tokio::time::timeout(limit, fetch(args.url.clone())).await })
        .map_err(|_| Failure::Runtime(format!("{}: no answer in {limit:?}", args.url)))??;
    // A reader that has seen enough is no failure.
    let _ = writeln!(io::stdout(), "{}", page.trim_end());
    match status {
        StatusCode::OK => Ok(()),
        status => Err(Failure::Runtime(format!("{}: {status}", args.url))),
    }
}

async fn fetch(url: Uri) -> Result<(StatusCode, String), Failure> {
    let failed =
        |error: &(dyn std::error::Error + 'static)| Failure::runtime(&url.to_string(), error);
    let client: Client<HttpConnector, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let answer = client.get(url.clone()).await.map_err(|e| failed(&e))?;
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(|e| failed(&e))?;
    let page = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    Ok((status, page))
}
