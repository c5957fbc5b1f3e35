//! The author of a change of documents, what they did, and where the request came from.

use std::fmt;
use std::net::IpAddr;

use super::Version;
use crate::clock;

/// Longest name of an author that is kept. Bytes; 256.
const NAME_BYTES_MAX: usize = 256;

/// The author of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    name: String,
    /// The address of the connection that asked for the change; `None`: no connection did.
    from: Option<IpAddr>,
}

impl Author {
    /// The watched folder.
    pub fn folder() -> Author {
        "folder".into()
    }

    /// This author at the other end of a connection from `from`.
    pub fn connected_from(self, from: IpAddr) -> Author {
        let from = Some(from);
        Author { from, ..self }
    }
}

/// An empty name means the operator; one that is too long is cut.
impl From<&str> for Author {
    fn from(name: &str) -> Author {
        let name = match name {
            "" => "operator",
            name => &name[..name.floor_char_boundary(NAME_BYTES_MAX)],
        };
        Author {
            name: name.to_owned(),
            from: None,
        }
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match self.from {
            Some(from) => write!(f, " from {from}"),
            None => Ok(()),
        }
    }
}

/// An author, and what they did: `apply`, `delete`, `rollback to 3`, `folder`.
#[derive(Clone, Debug)]
pub(super) struct Action {
    pub(super) author: Author,
    pub(super) cause: String,
}

impl Action {
    pub(super) fn folder() -> Action {
        Action {
            author: Author::folder(),
            cause: "folder".to_owned(),
        }
    }

    /// The version that the change makes; its number and its documents are not known yet.
    pub(super) fn version(&self) -> Version {
        Version {
            version: 0,
            time_unix: clock::unix_seconds(),
            author: self.author.name.clone(),
            cause: self.cause.clone(),
            changed: Vec::new(),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.cause, self.author)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_is_shown_with_the_address_of_their_connection() {
        let ada = Author::from("ada");
        assert_eq!(ada.to_string(), "ada");
        let remote = ada.connected_from(IpAddr::from([10, 0, 0, 7]));
        assert_eq!(remote.to_string(), "ada from 10.0.0.7");
        assert_eq!(Author::from("").to_string(), "operator");
        let long = Author::from("é".repeat(200).as_str());
        assert_eq!(long.to_string(), "é".repeat(128));
    }
}
