//! What operators ask: each method asks who speaks, then the part that can.
//!
//! Decides nothing itself. Documents, events and the status are not here yet.

use outrider_proto::v1;
use outrider_proto::v1::operator_server as server;
use tokio_stream::Empty;
use tonic::{Request, Response, Status};

use crate::journal::EventKind;
use crate::parts::Parts;
use crate::{caller, clock};

/// The service of that name.
#[derive(Clone)]
pub struct Operator {
    parts: Parts,
}

impl Operator {
    /// Answers from `parts`.
    pub fn new(parts: &Parts) -> Operator {
        Operator {
            parts: parts.clone(),
        }
    }
}

fn not_here<T>(request: &Request<impl Sized>) -> Result<Response<T>, Status> {
    caller::operator(request.extensions())?;
    Err(Status::unimplemented(
        "this control plane cannot do that yet",
    ))
}

#[tonic::async_trait]
impl server::Operator for Operator {
    type EventsStream = Empty<Result<v1::MeshEvent, Status>>;

    async fn apply(
        &self,
        request: Request<v1::ApplyRequest>,
    ) -> Result<Response<v1::Applied>, Status> {
        not_here(&request)
    }

    async fn delete(
        &self,
        request: Request<v1::DeleteRequest>,
    ) -> Result<Response<v1::Applied>, Status> {
        not_here(&request)
    }

    async fn get(
        &self,
        request: Request<v1::GetRequest>,
    ) -> Result<Response<v1::GetResponse>, Status> {
        not_here(&request)
    }

    async fn diff(
        &self,
        request: Request<v1::DiffRequest>,
    ) -> Result<Response<v1::DiffResponse>, Status> {
        not_here(&request)
    }

    async fn history(
        &self,
        request: Request<v1::HistoryRequest>,
    ) -> Result<Response<v1::HistoryResponse>, Status> {
        not_here(&request)
    }

    async fn rollback(
        &self,
        request: Request<v1::RollbackRequest>,
    ) -> Result<Response<v1::Applied>, Status> {
        not_here(&request)
    }

    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Result<Response<v1::CreateTokenResponse>, Status> {
        caller::operator(request.extensions())?;
        let now = clock::unix_seconds();
        let created = self.parts.tokens.create(request.into_inner(), now).await?;
        Ok(Response::new(created))
    }

    async fn list_tokens(
        &self,
        request: Request<v1::ListTokensRequest>,
    ) -> Result<Response<v1::ListTokensResponse>, Status> {
        caller::operator(request.extensions())?;
        let tokens = self.parts.tokens.list().await?;
        Ok(Response::new(v1::ListTokensResponse { tokens }))
    }

    async fn revoke_token(
        &self,
        request: Request<v1::RevokeTokenRequest>,
    ) -> Result<Response<v1::RevokeTokenResponse>, Status> {
        caller::operator(request.extensions())?;
        self.parts.tokens.revoke(&request.into_inner().id).await?;
        Ok(Response::new(v1::RevokeTokenResponse {}))
    }

    async fn rotate_root(
        &self,
        request: Request<v1::RotateRootRequest>,
    ) -> Result<Response<v1::RotateRootResponse>, Status> {
        caller::operator(request.extensions())?;
        let step = request.into_inner().step();
        let roots = self
            .parts
            .authority
            .rotate(step, clock::unix_seconds())
            .await?;
        let detail = format!("{}.", step.as_str_name());
        self.parts
            .journal
            .record(EventKind::Rotated, "root", &detail);
        Ok(Response::new(v1::RotateRootResponse { roots }))
    }

    async fn events(
        &self,
        request: Request<v1::EventsRequest>,
    ) -> Result<Response<Self::EventsStream>, Status> {
        not_here(&request)
    }

    async fn status(
        &self,
        request: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::StatusResponse>, Status> {
        not_here(&request)
    }
}
