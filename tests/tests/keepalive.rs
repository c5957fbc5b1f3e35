//! The promise: pings are per connection and never forwarded. A server of grpc-go takes no more than
//! one ping in five minutes and ends the connection for the third too early; how often a caller pings
//! its sidecar is none of its business.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use outrider_tests::hostile::Said;
use outrider_tests::raw::{Frame, Heard, Peer, flag, grpc_request, kind};
use outrider_tests::tools::{free_address, wanted};
use outrider_tests::{Hops, Way};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{interval, timeout};

/// Longest any of this may take; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pings of the caller, and the time between two: what a sidecar allows.
const PINGS: u8 = 100;
const PACE: Duration = Duration::from_millis(10);
/// RFC 9113 7.
const ENHANCE_YOUR_CALM: u32 = 0xb;

/// A server of grpc-go as it is without any options.
async fn server() -> Option<(Child, SocketAddr)> {
    let (program, address) = (wanted("go/official-server")?, free_address());
    let mut command = Command::new(program);
    command.arg(format!("--port={}", address.port()));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let process = command.kill_on_drop(true).spawn();
    let process = process.expect("the server starts");
    let listens = async {
        let mut turn = interval(PACE);
        while TcpStream::connect(address).await.is_err() {
            turn.tick().await;
        }
    };
    timeout(PATIENCE, listens).await.expect("it listens");
    Some((process, address))
}

/// Pings beside a call that is open, waiting for each answer, then ends the call: its status, or what
/// came instead of an answer.
async fn pings(address: SocketAddr) -> Result<Option<String>, Heard> {
    let mut peer = Peer::greet(address, &[]).await.expect("a greeting");
    let block = grpc_request("orders", "/grpc.testing.TestService/FullDuplexCall");
    peer.send(&Frame::headers(1, 0, block.octets())).await;
    let mut turn = interval(PACE);
    for number in 0..PINGS {
        turn.tick().await;
        peer.send(&Frame::ping([number; 8])).await;
        let is_answer = |frame: &Frame| {
            frame.kind == kind::GOAWAY || (frame.kind == kind::PING && frame.has(flag::ACK))
        };
        match peer.until(PATIENCE, is_answer).await {
            Heard::Frame(answer) if answer.kind == kind::PING => {}
            other => return Err(other),
        }
    }
    peer.send(&Frame::data(1, flag::END_STREAM, &[])).await;
    let said = Said::until_over(&mut peer, 1, PATIENCE).await;
    Ok(said.field(1, "grpc-status").map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_of_a_caller_reach_no_server_of_grpc_go() {
    let Some((_process, address)) = server().await else {
        return;
    };
    // What it does to who pings it.
    match pings(address).await {
        Err(Heard::Frame(goaway)) => assert_eq!(goaway.error_code(), Some(ENHANCE_YOUR_CALM)),
        other => panic!("grpc-go minds no pings: {other:?}"),
    }

    for hops in Hops::ALL {
        let way = Way::start(hops, address).await;
        let status = pings(way.address()).await;
        assert_eq!(status, Ok(Some("0".to_owned())), "{hops:?}");
        for sidecar in [Some(&way.frontend), way.callee()].into_iter().flatten() {
            let admin = sidecar.admin();
            let complaints = admin.metric("outrider_keepalive_complaints_total").await;
            assert_eq!(complaints, 0.0, "{hops:?}");
        }
    }
}
