//! The requests of operators for documents, between the wire and the document store.
//!
//! Knows the messages and the defaults of their fields; decides nothing about documents.

use std::net::IpAddr;

use outrider_documents::DocumentName;
use outrider_host::folder::Files;
use outrider_proto::v1;
use tonic::Status;

use super::refusal_status::refusal_status;
use crate::document_store::{
    Applied, ApplyOptions, Author, Document, DocumentChange, DocumentStore, Source, Version,
};
use crate::text::clean;

/// Longest name of an author that is kept. Bytes; 256.
const AUTHOR_BYTES_MAX: usize = 256;

/// Versions listed by default.
const HISTORY_DEFAULT: usize = 100;

/// The author as history and journal have it.
fn named(author: &str, from: IpAddr) -> Author {
    let author = clean(author, AUTHOR_BYTES_MAX);
    Author::from(author.as_str()).connected_from(from)
}

pub async fn apply(
    store: &DocumentStore,
    from: IpAddr,
    request: v1::ApplyRequest,
) -> Result<v1::Applied, Status> {
    let v1::ApplyRequest {
        files,
        author,
        dry_run,
        id,
        prune,
        if_version,
    } = request;
    let options = ApplyOptions {
        id,
        prune,
        if_version,
    };
    let files: Files = files
        .into_iter()
        .map(|file| (file.name, file.text))
        .collect();
    let outcome = match dry_run {
        true => store.check(files, options).await,
        false => store.apply(files, named(&author, from), options).await,
    };
    outcome.map(applied).map_err(refusal_status)
}

pub async fn delete(
    store: &DocumentStore,
    from: IpAddr,
    request: v1::DeleteRequest,
) -> Result<v1::Applied, Status> {
    let v1::DeleteRequest { documents, author } = request;
    let names = documents.into_iter().map(name_of).collect();
    let outcome = store.delete(names, named(&author, from)).await;
    outcome.map(applied).map_err(refusal_status)
}

pub async fn rollback(
    store: &DocumentStore,
    from: IpAddr,
    request: v1::RollbackRequest,
) -> Result<v1::Applied, Status> {
    let v1::RollbackRequest { version, author } = request;
    let outcome = store.rollback(version, named(&author, from)).await;
    outcome.map(applied).map_err(refusal_status)
}

pub async fn get(
    store: &DocumentStore,
    request: v1::GetRequest,
) -> Result<v1::GetResponse, Status> {
    let wanted = request.document.unwrap_or_default();
    let set = store
        .documents(version_in_force_if_0(request.version))
        .await;
    let set = set.map_err(refusal_status)?;
    let documents = set.documents.iter();
    let found = documents.filter(|(name, _)| is_wanted(&wanted, name));
    Ok(v1::GetResponse {
        version: set.version,
        documents: found
            .map(|(name, document)| stored(name, document))
            .collect(),
    })
}

pub async fn diff(
    store: &DocumentStore,
    request: v1::DiffRequest,
) -> Result<v1::DiffResponse, Status> {
    let v1::DiffRequest {
        from_version,
        to_version,
    } = request;
    let to_version = version_in_force_if_0(to_version);
    let changed = store.diff(from_version, to_version).await;
    let changes = changed
        .map_err(refusal_status)?
        .into_iter()
        .map(change)
        .collect();
    Ok(v1::DiffResponse { changes })
}

pub async fn history(
    store: &DocumentStore,
    request: v1::HistoryRequest,
) -> Result<v1::HistoryResponse, Status> {
    let limit = match request.limit {
        0 => HISTORY_DEFAULT,
        limit => limit as usize,
    };
    let versions = store.history(limit).await.map_err(refusal_status)?;
    Ok(v1::HistoryResponse {
        versions: versions.into_iter().map(version).collect(),
    })
}

fn version_in_force_if_0(version: u64) -> Option<u64> {
    (version != 0).then_some(version)
}

/// Empty fields match everything.
fn is_wanted(wanted: &v1::DocumentName, document: &DocumentName) -> bool {
    let fits = |wanted: &str, field: &str| wanted.is_empty() || wanted == field;
    fits(&wanted.kind, &document.kind)
        && fits(&wanted.namespace, &document.namespace)
        && fits(&wanted.name, &document.name)
}

fn name_of(name: v1::DocumentName) -> DocumentName {
    let v1::DocumentName {
        kind,
        namespace,
        name,
    } = name;
    DocumentName {
        kind,
        namespace,
        name,
    }
}

fn wire_name(name: DocumentName) -> v1::DocumentName {
    let DocumentName {
        kind,
        namespace,
        name,
    } = name;
    v1::DocumentName {
        kind,
        namespace,
        name,
    }
}

fn applied(applied: Applied) -> v1::Applied {
    v1::Applied {
        version: applied.version,
        changes: applied.changed.into_iter().map(change).collect(),
    }
}

fn change(changed: DocumentChange) -> v1::Change {
    let DocumentChange {
        name,
        before,
        after,
    } = changed;
    let text = |document: &Document| document.text.clone();
    v1::Change {
        document: Some(wire_name(name)),
        before: before.as_deref().map(text).unwrap_or_default(),
        after: after.as_deref().map(text).unwrap_or_default(),
    }
}

fn stored(name: &DocumentName, document: &Document) -> v1::StoredDocument {
    let Document {
        text,
        version,
        source,
    } = document;
    v1::StoredDocument {
        document: Some(wire_name(name.clone())),
        text: text.clone(),
        version: *version,
        source: match source {
            Source::Applied => "apply".to_owned(),
            Source::Folder { file, .. } => file.clone(),
        },
    }
}

fn version(version: Version) -> v1::Version {
    let Version {
        version,
        time_unix,
        author,
        cause,
        changed,
    } = version;
    v1::Version {
        version,
        time_unix,
        author,
        cause,
        changed: changed.into_iter().map(wire_name).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_fields_match_everything() {
        let name = |kind: &str, namespace: &str, name: &str| DocumentName {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let orders = name("Service", "default", "orders");
        let cases = [
            (("", "", ""), true),
            (("Service", "", ""), true),
            (("", "default", "orders"), true),
            (("Mesh", "", "orders"), false),
            (("", "shop", ""), false),
            (("", "", "order"), false),
        ];
        for ((kind, namespace, own), expected) in cases {
            let wanted = wire_name(name(kind, namespace, own));
            assert_eq!(is_wanted(&wanted, &orders), expected, "{wanted:?}");
        }
    }
}
