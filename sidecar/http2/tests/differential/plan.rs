//! What happens in one call, worked out from a seed on both sides.

/// A small generator (splitmix64): the same numbers for the same seed, everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0..bound.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// Often small, sometimes large: 0..=most.
    pub fn size(&mut self, most: usize) -> usize {
        let most = if self.one_in(3) { most } else { most.min(200) };
        self.below(most + 1)
    }
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Resets {
    Nobody,
    /// The client, once it sent so many octets.
    Client(usize),
    /// The server, once it sent so many octets.
    Server(usize),
}

/// One message body and what is around it.
#[derive(Clone, Debug)]
pub struct Message {
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Option<Vec<(String, String)>>,
    /// Announced in content-length.
    pub has_length: bool,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub request: Message,
    pub answer: Message,
    /// The server answers before the request has ended.
    pub is_early: bool,
    pub resets: Resets,
}

impl Plan {
    pub fn of(seed: u64, call: usize) -> Plan {
        let mut random = Random(seed ^ (call as u64) << 32 ^ 0x5eed);
        let request = Message::random(&mut random);
        let answer = Message::random(&mut random);
        let is_early = random.one_in(3);
        let resets = match random.below(8) {
            0 => Resets::Client(random.below(request.body.len() + 1)),
            1 => Resets::Server(random.below(answer.body.len() + 1)),
            _ => Resets::Nobody,
        };
        Plan {
            request,
            answer,
            is_early,
            resets,
        }
    }
}

impl Message {
    fn random(random: &mut Random) -> Message {
        let body_len = random.size(150_000);
        let start = random.next() as usize;
        let trailers = random.one_in(2).then(|| some_fields(random, "t"));
        Message {
            fields: some_fields(random, "x"),
            body: (0..body_len)
                .map(|at| (at.wrapping_add(start).wrapping_mul(31) >> 3) as u8)
                .collect(),
            trailers,
            has_length: random.one_in(2),
        }
    }

    /// All regular fields of the head.
    pub fn head_fields(&self) -> Vec<(String, String)> {
        let mut fields = self.fields.clone();
        if self.has_length {
            fields.push(("content-length".into(), self.body.len().to_string()));
        }
        fields
    }
}

/// Names repeat between calls and values sometimes, so that tables are used and overflow.
/// Once in a while a value needs CONTINUATION.
fn some_fields(random: &mut Random, prefix: &str) -> Vec<(String, String)> {
    let count = random.below(8);
    let mut fields: Vec<(String, String)> = (0..count)
        .map(|at| {
            let len = if random.one_in(40) {
                6_000
            } else {
                random.below(60)
            };
            let variety = if random.one_in(2) { 3 } else { 1_000_000 };
            let value = random.below(variety).to_string().repeat(len / 3 + 1);
            (
                format!("{prefix}-{at}-{}", random.below(4)),
                value[..len.min(value.len())].to_string(),
            )
        })
        .collect();
    fields.push((format!("{prefix}-always"), "the same".into()));
    fields
}
