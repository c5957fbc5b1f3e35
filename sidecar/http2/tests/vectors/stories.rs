//! Reads `hpack.txt.zlib`; `pack.py` says what is in it.

/// All stories of all encoders.
pub struct Stories {
    /// Names of the encoders; a block says its encoder by number.
    pub encoders: Vec<String>,
    /// What shares one table per encoder.
    pub stories: Vec<Vec<List>>,
}

/// A field list and the blocks that stand for it.
#[derive(Default)]
pub struct List {
    /// Names and values.
    pub fields: Vec<(String, String)>,
    /// Encoders by number, and the block that all of them made.
    pub blocks: Vec<(Vec<usize>, Vec<u8>)>,
}

/// # Panics
/// When the file is not what `pack.py` writes.
pub fn read() -> Stories {
    let packed = include_bytes!("hpack.txt.zlib");
    let text = miniz_oxide::inflate::decompress_to_vec_zlib(packed).expect("zlib");
    let text = String::from_utf8(text).expect("UTF-8");
    let mut read = Stories {
        encoders: Vec::new(),
        stories: Vec::new(),
    };
    for line in text.lines() {
        take(line, &mut read).unwrap_or_else(|| panic!("hpack.txt.zlib: {line}"));
    }
    read
}

fn take(line: &str, read: &mut Stories) -> Option<()> {
    if let Some(name) = line.strip_prefix("encoder ") {
        read.encoders.push(name.to_owned());
    } else if line.starts_with("story ") {
        read.stories.push(Vec::new());
    } else if line == "list" {
        read.stories.last_mut()?.push(List::default());
    } else if let Some(block) = line.strip_prefix("> ") {
        let (who, hex) = block.split_once(' ')?;
        let number = |who: &str| who.split('@').next()?.parse().ok();
        let who = who.split(',').map(number).collect::<Option<_>>()?;
        let list = read.stories.last_mut()?.last_mut()?;
        list.blocks.push((who, octets(hex)?));
    } else if !line.starts_with('#') {
        let (name, value) = line.split_once('\t')?;
        let list = read.stories.last_mut()?.last_mut()?;
        list.fields.push((name.to_owned(), value.to_owned()));
    }
    Some(())
}

/// The octets that `hex` stands for.
pub fn octets(hex: &str) -> Option<Vec<u8>> {
    let pairs = (0..hex.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
        .collect()
}
