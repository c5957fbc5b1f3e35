//! The gRPC service for operators: each method checks the caller, then calls the part that answers.
//!
//! Decides nothing itself.

mod backup;
mod documents;
mod events;
mod refusal_status;
mod rotation;
mod tokens;

use outrider_proto::v1;
use outrider_proto::v1::operator_server as server;
use tonic::{Request, Response, Status};

use self::backup::Backup;
use self::events::Events;
use crate::members::caller;
use crate::serve::parts::Parts;
use crate::storage::journal::EventKind;
use crate::{admin, clock};

/// Largest request. Bytes; 64 MiB: all documents of a mesh in one.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// The service.
#[derive(Clone)]
pub struct Operator {
    parts: Parts,
}

impl Operator {
    /// Answers from `parts`.
    pub fn service(parts: &Parts) -> server::OperatorServer<Operator> {
        let parts = parts.clone();
        server::OperatorServer::new(Operator { parts }).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }
}

#[tonic::async_trait]
impl server::Operator for Operator {
    type EventsStream = Events;
    type BackupStream = Backup;

    async fn apply(
        &self,
        request: Request<v1::ApplyRequest>,
    ) -> Result<Response<v1::Applied>, Status> {
        caller::operator(request.extensions())?;
        let from = caller::from(request.extensions());
        let answer = documents::apply(&self.parts.documents, from, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn delete(
        &self,
        request: Request<v1::DeleteRequest>,
    ) -> Result<Response<v1::Applied>, Status> {
        caller::operator(request.extensions())?;
        let from = caller::from(request.extensions());
        let answer = documents::delete(&self.parts.documents, from, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn get(
        &self,
        request: Request<v1::GetRequest>,
    ) -> Result<Response<v1::GetResponse>, Status> {
        caller::operator(request.extensions())?;
        let answer = documents::get(&self.parts.documents, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn diff(
        &self,
        request: Request<v1::DiffRequest>,
    ) -> Result<Response<v1::DiffResponse>, Status> {
        caller::operator(request.extensions())?;
        let answer = documents::diff(&self.parts.documents, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn history(
        &self,
        request: Request<v1::HistoryRequest>,
    ) -> Result<Response<v1::HistoryResponse>, Status> {
        caller::operator(request.extensions())?;
        let answer = documents::history(&self.parts.documents, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn rollback(
        &self,
        request: Request<v1::RollbackRequest>,
    ) -> Result<Response<v1::Applied>, Status> {
        caller::operator(request.extensions())?;
        let from = caller::from(request.extensions());
        let answer = documents::rollback(&self.parts.documents, from, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Result<Response<v1::CreateTokenResponse>, Status> {
        caller::operator(request.extensions())?;
        let (now, from) = (clock::unix_seconds(), caller::from(request.extensions()));
        let created = self.parts.tokens.create(request.into_inner(), now).await?;
        if let Some(token) = &created.details {
            let subject = format!("{}/{}", token.namespace, token.service);
            let life = token.expires_unix - token.created_unix;
            let detail = format!(
                "Token {} was made from {from}, good for {life} s.",
                token.id
            );
            self.parts
                .journal
                .record(EventKind::Token, &subject, &detail);
        }
        Ok(Response::new(created))
    }

    async fn list_tokens(
        &self,
        request: Request<v1::ListTokensRequest>,
    ) -> Result<Response<v1::ListTokensResponse>, Status> {
        caller::operator(request.extensions())?;
        Ok(Response::new(tokens::list(&self.parts).await?))
    }

    async fn revoke_token(
        &self,
        request: Request<v1::RevokeTokenRequest>,
    ) -> Result<Response<v1::RevokeTokenResponse>, Status> {
        caller::operator(request.extensions())?;
        let from = caller::from(request.extensions());
        let id = request.into_inner().id;
        let service = self.parts.tokens.revoke(&id).await?;
        let detail = format!("Token {id} was revoked from {from}.");
        self.parts
            .journal
            .record(EventKind::Token, &service, &detail);
        Ok(Response::new(v1::RevokeTokenResponse {}))
    }

    async fn rotate_root(
        &self,
        request: Request<v1::RotateRootRequest>,
    ) -> Result<Response<v1::RotateRootResponse>, Status> {
        caller::operator(request.extensions())?;
        let from = caller::from(request.extensions());
        let answer = rotation::rotate(&self.parts, request.into_inner(), from).await?;
        Ok(Response::new(answer))
    }

    async fn backup(
        &self,
        request: Request<v1::BackupRequest>,
    ) -> Result<Response<Self::BackupStream>, Status> {
        caller::operator(request.extensions())?;
        let from = caller::from(request.extensions());
        let backup = backup::backup(&self.parts).await?;
        let detail = format!("A backup was made from {from}.");
        self.parts
            .journal
            .record(EventKind::Backup, "store", &detail);
        Ok(Response::new(backup))
    }

    async fn events(
        &self,
        request: Request<v1::EventsRequest>,
    ) -> Result<Response<Self::EventsStream>, Status> {
        caller::operator(request.extensions())?;
        let stopping = self.parts.stopping.clone();
        let events = events::events(&self.parts.journal, stopping, request.into_inner()).await?;
        Ok(Response::new(events))
    }

    async fn status(
        &self,
        request: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::StatusResponse>, Status> {
        caller::operator(request.extensions())?;
        let status = admin::status(&self.parts).await;
        let status = status.ok_or_else(caller::stopping)?;
        Ok(Response::new(v1::StatusResponse {
            json: status.to_string(),
        }))
    }
}
