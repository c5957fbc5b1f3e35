//! The metadata that interop servers send back. A layer, because tonic's servers have no word for
//! metadata at the end of an answer that succeeds.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderMap, HeaderName, Request, Response};
use http_body_util::BodyExt;
use tonic::body::Body;
use tower::Service;

use super::{INITIAL, TRAILING};

/// A service whose answers begin and end with what the request asked for.
#[derive(Clone, Debug)]
pub struct Echo<S>(pub S);

impl<S> Service<Request<Body>> for Echo<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut initial = HeaderMap::new();
        let mut trailing = HeaderMap::new();
        copy(INITIAL, request.headers(), &mut initial);
        copy(TRAILING, request.headers(), &mut trailing);
        let answered = self.0.call(request);
        Box::pin(async move {
            let mut response = answered.await?;
            copy(INITIAL, &initial, response.headers_mut());
            Ok(response.map(|body| with_trailers(body, trailing)))
        })
    }
}

fn copy(name: &'static str, from: &HeaderMap, to: &mut HeaderMap) {
    for value in from.get_all(name) {
        to.append(HeaderName::from_static(name), value.clone());
    }
}

fn with_trailers(body: Body, trailing: HeaderMap) -> Body {
    Body::new(body.map_frame(move |mut frame| {
        if let Some(trailers) = frame.trailers_mut() {
            copy(TRAILING, &trailing, trailers);
        }
        frame
    }))
}
