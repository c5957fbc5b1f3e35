//! All that the control plane keeps, as one file.

use futures_util::stream::{self, BoxStream, StreamExt};
use outrider_proto::v1;
use tokio::task::spawn_blocking;
use tonic::Status;

use crate::members::caller;
use crate::serve::parts::Parts;

/// Octets of a message. 1 MiB: a client takes four.
const PART_BYTES: usize = 1 << 20;

/// The file, part by part.
pub type Backup = BoxStream<'static, Result<v1::BackupPart, Status>>;

/// The store as it is now. It is read as a whole before the first part is sent, so that a slow reader
/// delays no writes.
///
/// # Errors
/// The store cannot be read.
pub async fn backup(parts: &Parts) -> Result<Backup, Status> {
    let store = parts.store.clone();
    let octets = spawn_blocking(move || store.octets()).await;
    let octets = octets.map_err(|_| caller::stopping())??;
    let parts: Vec<_> = octets.chunks(PART_BYTES).map(<[u8]>::to_vec).collect();
    Ok(stream::iter(parts)
        .map(|octets| Ok(v1::BackupPart { octets }))
        .boxed())
}
