//! `outrider backup`: all that the control plane keeps, into one file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use outrider_proto::v1;

use crate::failure::Failure;
use crate::{operator, output};

/// Where to.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    operator: operator::Access,
    /// A new file. It will hold the keys of the authority: keep it as safe as the control plane's
    /// --data. Only the owner may read it.
    file: PathBuf,
}

/// Writes it; a file that is there already is left as it is.
pub fn run(args: &Args) -> Result<(), Failure> {
    let octets = operator::run(&args.operator, async |mut client| {
        let mut parts = client.backup(v1::BackupRequest {}).await?.into_inner();
        let mut octets = Vec::new();
        while let Some(part) = parts.message().await? {
            octets.extend(part.octets);
        }
        Ok(octets)
    })?;
    let written = create(&args.file).and_then(|file| write(file, &octets));
    written.map_err(|error| Failure::runtime(&args.file.display().to_string(), &error))?;
    let (file, size) = (args.file.display(), octets.len());
    output::print(&format!(
        "{file}: {size} bytes, the keys of the authority among them\n"
    ))
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

fn write(mut file: File, octets: &[u8]) -> io::Result<()> {
    file.write_all(octets)?;
    file.sync_all()
}
