//! Header and trailer fields: an ordered list in two flat buffers.
//!
//! Not a map: a proxy reads a few fields, drops a few and passes the rest on in order.
//! Pseudo-fields are ordinary entries (`:path`) at the front. What may stand in a list is
//! judged in `validate`, not here.

use crate::octets;

/// One field. `name` is lower-case on HTTP/2.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Field<'a> {
    /// Name, with the colon of a pseudo-field.
    pub name: &'a [u8],
    /// Value, without surrounding white space.
    pub value: &'a [u8],
    /// Never to be kept in a compression table, here or further on (RFC 7541 7.1.3).
    pub sensitive: bool,
}

impl<'a> Field<'a> {
    /// A field that may be indexed.
    pub const fn new(name: &'a [u8], value: &'a [u8]) -> Field<'a> {
        Field {
            name,
            value,
            sensitive: false,
        }
    }

    /// What the field counts against list and table limits: its octets and 32 (RFC 9113 6.5.2).
    pub const fn size(&self) -> usize {
        self.name.len() + self.value.len() + FIELD_OVERHEAD
    }
}

/// What RFC 9113 6.5.2 and RFC 7541 4.1 add to the octets of each field.
pub(crate) const FIELD_OVERHEAD: usize = 32;

/// Fields in order, owned.
#[derive(Clone, Default)]
pub struct Fields {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

/// Where a field lies in `bytes`: name first, value right behind it.
#[derive(Copy, Clone)]
struct Span {
    start: u32,
    value: u32,
    end: u32,
    sensitive: bool,
}

impl Fields {
    /// An empty list. Allocates with the first field.
    pub const fn new() -> Fields {
        Fields {
            bytes: Vec::new(),
            spans: Vec::new(),
        }
    }

    /// Appends a field.
    pub fn push(&mut self, field: Field<'_>) {
        self.make_room();
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(field.name);
        let value = self.bytes.len() as u32;
        self.bytes.extend_from_slice(field.value);
        let end = self.bytes.len() as u32;
        self.spans.push(Span {
            start,
            value,
            end,
            sensitive: field.sensitive,
        });
    }

    /// The fields in order.
    pub fn iter(&self) -> FieldsIter<'_> {
        FieldsIter {
            bytes: &self.bytes,
            spans: self.spans.iter(),
        }
    }

    /// Value of the first field called `name`.
    pub fn find(&self, name: &[u8]) -> Option<&[u8]> {
        self.find_all(name).next()
    }

    /// Values of all fields called `name`, in order.
    pub fn find_all<'s, 'n>(
        &'s self,
        name: &'n [u8],
    ) -> impl Iterator<Item = &'s [u8]> + use<'s, 'n> {
        self.iter()
            .filter(move |field| field.name == name)
            .map(|field| field.value)
    }

    /// How many fields.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Size as RFC 9113 6.5.2 counts it: octets of names and values, and 32 for each field.
    pub fn size(&self) -> usize {
        self.bytes.len() + FIELD_OVERHEAD * self.spans.len()
    }

    /// Empties the list and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
    }

    /// Takes no more memory than it needs.
    pub(crate) fn compact(&mut self) {
        self.bytes = self.bytes.as_slice().to_vec();
        self.spans = self.spans.as_slice().to_vec();
    }

    /// Drops the fields for which `keep` says no. The order stays.
    pub(crate) fn retain(&mut self, keep: impl Fn(Field<'_>) -> bool) {
        let kept: Fields = self.iter().filter(|field| keep(*field)).collect();
        *self = kept;
    }

    /// Begins a field behind the last one, to be written in place.
    pub(crate) fn draft(&mut self) -> Draft<'_> {
        self.make_room();
        let start = self.bytes.len();
        Draft {
            bytes: &mut self.bytes,
            start,
            value: start,
        }
    }

    /// The drafted field is the new last one.
    pub(crate) fn keep(&mut self, Place(span): Place) {
        self.spans.push(span);
    }

    /// The drafted field is not wanted.
    pub(crate) fn cut(&mut self, Place(span): Place) {
        self.bytes.truncate(span.start as usize);
    }

    /// Allocates with the first field.
    fn make_room(&mut self) {
        if self.spans.capacity() == 0 {
            self.bytes = Vec::with_capacity(BYTES_AT_FIRST);
            self.spans = Vec::with_capacity(FIELDS_AT_FIRST);
        }
    }
}

/// A field being written at the end of a list: first the name, then the value.
pub(crate) struct Draft<'a> {
    bytes: &'a mut Vec<u8>,
    start: usize,
    value: usize,
}

/// Where a drafted field lies.
pub(crate) struct Place(Span);

impl Draft<'_> {
    /// Append here, and nothing but append.
    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        self.bytes
    }

    pub(crate) fn end_name(&mut self) {
        self.value = self.bytes.len();
    }

    pub(crate) fn parts(&self) -> (&[u8], &[u8]) {
        self.bytes[self.start..].split_at(self.value - self.start)
    }

    /// Takes the white space off the ends of the value.
    pub(crate) fn strip_value(&mut self) {
        let kept = octets::strip(self.parts().1).to_vec();
        self.bytes.truncate(self.value);
        self.bytes.extend_from_slice(&kept);
    }

    pub(crate) fn place(self, sensitive: bool) -> Place {
        let (start, value, end) = (
            self.start as u32,
            self.value as u32,
            self.bytes.len() as u32,
        );
        Place(Span {
            start,
            value,
            end,
            sensitive,
        })
    }
}

// A gRPC request head through two sidecars is about 15 fields of 35 octets; one allocation
// each for octets and spans.
const BYTES_AT_FIRST: usize = 768;
const FIELDS_AT_FIRST: usize = 20;

impl Span {
    fn field<'a>(&self, bytes: &'a [u8]) -> Field<'a> {
        Field {
            name: &bytes[self.start as usize..self.value as usize],
            value: &bytes[self.value as usize..self.end as usize],
            sensitive: self.sensitive,
        }
    }
}

/// Iterator over the fields of a [`Fields`].
#[derive(Clone)]
pub struct FieldsIter<'a> {
    bytes: &'a [u8],
    spans: std::slice::Iter<'a, Span>,
}

impl<'a> Iterator for FieldsIter<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        self.spans.next().map(|span| span.field(self.bytes))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }
}

impl ExactSizeIterator for FieldsIter<'_> {}

impl<'a> IntoIterator for &'a Fields {
    type Item = Field<'a>;
    type IntoIter = FieldsIter<'a>;

    fn into_iter(self) -> FieldsIter<'a> {
        self.iter()
    }
}

impl<'a> FromIterator<Field<'a>> for Fields {
    fn from_iter<I: IntoIterator<Item = Field<'a>>>(iter: I) -> Fields {
        let mut fields = Fields::new();
        iter.into_iter().for_each(|field| fields.push(field));
        fields
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Fields) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Fields {}

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = self.iter().map(|field| {
            let value = if field.sensitive {
                "(sensitive)".into()
            } else {
                field.value.escape_ascii().to_string()
            };
            (field.name.escape_ascii().to_string(), value)
        });
        f.debug_map().entries(shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Fields {
        [(":path", "/a"), ("cookie", "x"), ("cookie", "y"), ("", "")]
            .map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()))
            .into_iter()
            .collect()
    }

    #[test]
    fn keeps_order_and_repeats() {
        let fields = sample();
        assert_eq!(fields.len(), 4);
        assert_eq!(fields.find(b":path"), Some(&b"/a"[..]));
        assert_eq!(fields.find_all(b"cookie").collect::<Vec<_>>(), [b"x", b"y"]);
        assert_eq!(fields.find(b"none"), None);
    }

    #[test]
    fn size_counts_32_octets_a_field() {
        assert_eq!(sample().size(), 5 + 2 + 7 + 7 + 4 * 32);
    }

    #[test]
    fn retain_drops_only_what_it_is_told() {
        let mut fields = sample();
        fields.retain(|field| field.value != b"x");
        assert_eq!(fields.len(), 3);
        assert_eq!(fields.find(b"cookie"), Some(&b"y"[..]));
    }

    #[test]
    fn debug_hides_sensitive_values() {
        let mut fields = Fields::new();
        fields.push(Field {
            name: b"authorization",
            value: b"secret",
            sensitive: true,
        });
        assert!(!format!("{fields:?}").contains("secret"));
    }
}
