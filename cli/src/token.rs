//! `outrider token`: makes, lists and revokes the tokens that sidecars join with.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::value_parser;
use outrider_proto::v1;

use crate::failure::Failure;
use crate::{operator, output, table};

/// Tokens that sidecars join with.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Makes a token for each service, good for all its instances until it expires.
    Create(Create),
    /// Shows every token, without its secret.
    List(List),
    /// Ends a token; certificates that it was good for go on.
    Revoke(Revoke),
}

/// What to make.
#[derive(Debug, clap::Args)]
pub struct Create {
    #[command(flatten)]
    operator: operator::Access,
    /// The service; may be given several times.
    #[arg(long, value_name = "NAME", required = true)]
    service: Vec<String>,
    /// Namespace of the services.
    #[arg(long, value_name = "NAME", default_value = "default")]
    namespace: String,
    /// How long it is good for, 1 to 31536000 (a year).
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, value_parser = value_parser!(u32).range(1..=31_536_000))]
    life: u32,
    /// File for the token instead of standard output; of several services, or if it is a folder,
    /// the folder for a file each, named as the service, or `token` in a folder of that name. Only
    /// the owner may read them.
    #[arg(long, value_name = "FILE|DIR")]
    out: Option<PathBuf>,
}

/// Which control plane to ask.
#[derive(Debug, clap::Args)]
pub struct List {
    #[command(flatten)]
    operator: operator::Access,
}

/// What to end.
#[derive(Debug, clap::Args)]
pub struct Revoke {
    #[command(flatten)]
    operator: operator::Access,
    /// As `outrider token list` shows it.
    id: String,
}

/// Does it.
pub fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Create(create) => run_create(create),
        Command::List(list) => run_list(list),
        Command::Revoke(revoke) => run_revoke(revoke),
    }
}

fn run_create(create: &Create) -> Result<(), Failure> {
    let tokens = operator::change(
        &create.operator,
        "see `outrider token list`",
        async |mut client| {
            let mut tokens = Vec::new();
            for service in &create.service {
                let request = v1::CreateTokenRequest {
                    namespace: create.namespace.clone(),
                    service: service.clone(),
                    life_seconds: create.life,
                };
                tokens.push(client.create_token(request).await?.into_inner().token);
            }
            Ok(tokens)
        },
    )?;
    let Some(out) = &create.out else {
        let lines = tokens.iter().map(|token| format!("{token}\n"));
        return output::print(&lines.collect::<String>());
    };
    let files = files(out, &create.service)?;
    files
        .iter()
        .zip(&tokens)
        .try_for_each(|(path, token)| write(path, token))
}

fn files(out: &Path, services: &[String]) -> Result<Vec<PathBuf>, Failure> {
    if services.len() == 1 && !out.is_dir() {
        return Ok(vec![out.to_owned()]);
    }
    fs::create_dir_all(out).map_err(|error| not_written(out, &error))?;
    Ok(services.iter().map(|service| file(out, service)).collect())
}

/// A folder of the service's name takes its token: so each may be a volume of its own.
fn file(out: &Path, service: &str) -> PathBuf {
    let path = out.join(service);
    if path.is_dir() {
        path.join("token")
    } else {
        path
    }
}

/// Written aside first: a sidecar that waits for the file never reads half of it.
fn write(path: &Path, token: &str) -> Result<(), Failure> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let aside = PathBuf::from(aside);
    let written = write_private(&aside, token).and_then(|()| fs::rename(&aside, path));
    written.map_err(|error| not_written(path, &error))
}

fn write_private(path: &Path, token: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    writeln!(options.open(path)?, "{token}")
}

fn not_written(path: &Path, error: &io::Error) -> Failure {
    Failure::runtime(&format!("{} (--out)", path.display()), error)
}

fn run_list(list: &List) -> Result<(), Failure> {
    let tokens = operator::run(&list.operator, async |mut client| {
        let listed = client.list_tokens(v1::ListTokensRequest {}).await?;
        Ok(listed.into_inner().tokens)
    })?;
    let header = [
        "ID",
        "NAMESPACE",
        "SERVICE",
        "EXPIRES",
        "REVOKED",
        "JOINS",
        "USABLE",
    ];
    output::print_line(&table::plain(header, tokens.into_iter().map(row)))
}

fn row(token: v1::Token) -> [String; 7] {
    let revoked = if token.revoked { "yes" } else { "no" };
    let usable = match &*token.unusable_because {
        "" => "yes".to_owned(),
        because => format!("no: {because}"),
    };
    [
        token.id,
        token.namespace,
        token.service,
        table::time(token.expires_unix),
        revoked.to_owned(),
        token.joins.to_string(),
        usable,
    ]
}

fn run_revoke(revoke: &Revoke) -> Result<(), Failure> {
    let request = v1::RevokeTokenRequest {
        id: revoke.id.clone(),
    };
    operator::change(
        &revoke.operator,
        "see `outrider token list`",
        async |mut client| client.revoke_token(request).await.map(drop),
    )
}
