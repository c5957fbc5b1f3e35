//! `outrider authz check`: says whether a call would be allowed, and which line of which document decides.

use std::path::PathBuf;
use std::process::ExitCode;

use outrider_documents::LocatedDocuments;
use outrider_identity::SpiffeId;
use outrider_policy::{AuthorizationCall, CallerIdentity, GrpcPath, check_plain_path};
use outrider_proto::v1;

use crate::failure::Failure;
use crate::{document_files, operator, output};

/// Who may call what.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Says whether a call would be allowed, and which line says so. Exit code: 0 allowed, 1 denied,
    /// 2 there is no answer.
    Check(Check),
}

/// The call, and where the documents are.
#[derive(Debug, clap::Args)]
#[command(mut_arg("credential", |it| it.required(false).required_unless_present("documents")))]
pub struct Check {
    /// The caller's identity: spiffe://<trust domain>/ns/<namespace>/svc/<service>.
    #[arg(long, value_name = "ID")]
    from: String,
    /// What is called: `shop.v1.Orders/Get`, or with the service before it `orders/shop.v1.Orders/Get`.
    #[arg(long, value_name = "SERVICE/METHOD")]
    to: String,
    /// A header of the request; may be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    header: Vec<String>,
    /// A plain HTTP/2 request with this method instead of a gRPC call; --to is SERVICE/PATH then.
    #[arg(long, value_name = "METHOD")]
    http: Option<String>,
    /// File or folder of documents. Without it the documents in force at the control plane are asked
    /// for.
    #[arg(long, env = "OUTRIDER_DOCUMENTS", value_name = "FILE|DIR")]
    documents: Option<PathBuf>,
    #[command(flatten)]
    operator: Option<operator::Access>,
}

/// Prints the verdict and its lines.
///
/// # Errors
/// [`Failure::Usage`] whenever there is no verdict, so that exit code 1 means denied and nothing else.
pub fn run(command: &Command) -> Result<ExitCode, Failure> {
    let Command::Check(args) = command;
    match check(args) {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::from(1)),
        Err(Failure::Usage(text) | Failure::Runtime(text)) => Err(Failure::Usage(text)),
    }
}

/// Is the call allowed?
fn check(args: &Check) -> Result<bool, Failure> {
    let from = SpiffeId::parse(args.from.as_bytes()).map_err(|_| {
        usage(format!(
            "--from `{}` is no identity: write spiffe://<trust domain>/ns/<namespace>/svc/<service>",
            args.from
        ))
    })?;
    let headers: Result<Vec<_>, Failure> = args.header.iter().map(|it| header(it)).collect();
    let files = documents(args)?;
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (&**name, &**text))
        .collect();
    let documents = LocatedDocuments::load(&files).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        usage(format!(
            "the documents are not valid:\n{}",
            errors.join("\n")
        ))
    })?;
    let target = target(args, &documents)?;
    let call = AuthorizationCall {
        caller: Some(CallerIdentity {
            id: from.as_str(),
            trust_domain: from.trust_domain(),
            namespace: from.namespace(),
        }),
        method: args.http.as_deref().unwrap_or("POST").as_bytes(),
        path: target.path.as_bytes(),
        grpc: grpc_path(args, &target.path)?,
    };
    let judged = documents.authorize(&target.service, &call, &headers?);
    let (decision, lines) = judged.map_err(|error| usage(error.to_string()))?;
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    output::print_line(&lines.join("\n"))?;
    Ok(decision.verdict.is_allowed())
}

fn usage(text: String) -> Failure {
    Failure::Usage(text)
}

/// The documents as (name, text), from files or from the control plane.
fn documents(args: &Check) -> Result<Vec<(String, String)>, Failure> {
    if let Some(path) = &args.documents {
        return document_files::read(std::slice::from_ref(path));
    }
    let Some(access) = &args.operator else {
        return Err(usage(
            "--documents or --credential says where the documents are".to_owned(),
        ));
    };
    let found = operator::run(access, async |client| {
        let mut client = document_files::roomy(client);
        Ok(client.get(v1::GetRequest::default()).await?.into_inner())
    })?;
    let named = found.documents.into_iter().map(|stored| {
        let name = crate::document_name::shown(stored.document.as_ref());
        (name, stored.text)
    });
    Ok(named.collect())
}

/// The name in lower case, and the value.
fn header(text: &str) -> Result<(String, String), Failure> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let Some((name, value)) = parts else {
        return Err(usage(format!("--header `{text}`: write NAME=VALUE")));
    };
    Ok((name.to_ascii_lowercase(), value.to_owned()))
}

/// What is called.
struct Target {
    service: String,
    path: String,
}

/// With three parts the first is a service; with two it is a gRPC service, and documents say whose.
fn target(args: &Check, documents: &LocatedDocuments<'_>) -> Result<Target, Failure> {
    let (first, rest) = args.to.split_once('/').unwrap_or((&args.to, ""));
    if args.http.is_none() && !rest.contains('/') {
        let Some(service) = documents.documents().implementer_of(first) else {
            return Err(usage(format!(
                "no Service lists `{first}` in its grpcServices: write the service before it, as in \
                 orders/shop.v1.Orders/Get"
            )));
        };
        return Ok(Target {
            service: service.to_owned(),
            path: format!("/{}", args.to),
        });
    }
    if documents.documents().namespace_of(first).is_none() {
        return Err(usage(format!("there is no Service `{first}`")));
    }
    Ok(Target {
        service: first.to_owned(),
        path: format!("/{rest}"),
    })
}

/// The parts of the path of a gRPC call; `None` for a plain request. Neither may be outside its grammar:
/// a sidecar refuses such a call before it asks who may make it.
fn grpc_path<'p>(args: &Check, path: &'p str) -> Result<Option<GrpcPath<'p>>, Failure> {
    let parsed = match args.http {
        None => GrpcPath::parse(path.as_bytes()).map(Some),
        Some(_) => check_plain_path(path.as_bytes()).map(|()| None),
    };
    parsed.map_err(|problem| usage(format!("--to `{}` is refused: {problem}", args.to)))
}
