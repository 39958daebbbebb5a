//! Fields that are cut, counted one by one, or read as something else: clauses K1, K7.

use token_storage_core::{
    Error, ErrorKind, Extra, MemoryStorage, Operation, Precondition, Result, Revision, Secret, TokenData, TokenKey,
    TokenStorage as _, TokenStorageExt as _, Write,
};

use crate::{
    Mutant,
    flaw::{Flaw, flaw, written},
    registry::memory,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    let lengths = "records::fields_of_each_length_round_trip";
    let half = "limits::half_the_declared_size_fits_in_any_form";
    vec![
        memory::<ScopeOf255>("a scope has 255 bytes", lengths),
        memory::<TypeOf32>("a token type has 32 characters", lengths),
        memory::<IdentityOf36>("an identity has 36 bytes", lengths),
        memory::<RefreshTokenOf8192>("a refresh token has 8 KiB", lengths),
        memory::<MemberOf64K>("a member has 64 KiB", lengths),
        memory::<AHundredMembers>("a record has 100 members", "records::any_number_of_members_round_trips"),
        memory::<NamesOf255>(
            "names have 255 bytes",
            "records::names_of_members_of_each_length_round_trip",
        ),
        memory::<ShallowMembers>("members are 100 levels deep", "records::nested_members_round_trip"),
        memory::<OwnTtl>(
            "takes the member ttl for its own",
            "records::members_may_be_called_as_storages_call_theirs",
        ),
        memory::<OwnPrefix>(
            "takes members with a _ for its own",
            "records::members_may_be_called_as_storages_call_theirs",
        ),
        memory::<NamesWithoutDots>(
            "names have no dots",
            "records::members_may_be_called_as_storages_call_theirs",
        ),
        memory::<ReadsTags>(
            "reads tagged values",
            "records::values_that_codecs_read_as_their_own_round_trip",
        ),
        memory::<Compacts>(
            "compacts members",
            "records::values_that_codecs_read_as_their_own_round_trip",
        ),
        memory::<NumbersOf64Bits>("numbers have 64 bits", "records::numbers_are_verbatim"),
        memory::<ShortExponents>("writes exponents in its own way", "records::numbers_are_verbatim"),
        memory::<LowerType>("writes bearer", "records::token_types_are_exact"),
        memory::<UsualType>("leaves the usual token type out", "records::token_types_are_exact"),
        memory::<SortsScopes>("sorts scopes", "records::scopes_are_exact"),
        memory::<EachScopeOnce>("has each scope once", "records::scopes_are_exact"),
        memory::<SplitsScopes>("splits scopes at blanks", "records::scopes_are_exact"),
        memory::<DropsControls>(
            "drops control characters",
            "records::every_control_character_round_trips",
        ),
        memory::<TrimsTokens>("trims access tokens", "records::the_ends_of_fields_are_kept"),
        memory::<UnixLines>("writes lines its own way", "records::the_ends_of_fields_are_kept"),
        memory::<AbsentIfEmptyIdentity>(
            "takes an empty identity for none",
            "records::the_ends_of_fields_are_kept",
        ),
        memory::<RefusesLongNames>("takes no long names of members", half),
        memory::<CountsEscapes>("counts escapes thrice", half),
        memory::<RefusesManyMembers>("takes no more than a thousand members", half),
        memory::<CountsEachField>("counts each field alone", "limits::the_sum_of_all_fields_counts"),
        memory::<CountsNoMembers>("does not count members", "limits::the_sum_of_all_fields_counts"),
        memory::<BatchOfAMegabyte>(
            "takes a megabyte at once",
            "limits::a_batch_of_half_the_declared_size_fits",
        ),
    ]
}

fn cut(text: &str, most: usize) -> String {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_owned()
}

fn members(data: &TokenData, change: impl Fn(&str, &str) -> Option<(String, String)>) -> Extra {
    let mut extra = Extra::new();
    for (name, json) in data.extra.iter() {
        if let Some((name, json)) = change(name, json) {
            extra.insert(name, &json).expect("what was valid stays valid");
        }
    }
    extra
}

fn kept(name: &str, json: &str) -> Option<(String, String)> {
    Some((name.to_owned(), json.to_owned()))
}

written! {
    /// `VARCHAR(255)`.
    ScopeOf255, |data| data.scope = cut(&data.scope, 255);
    /// `VARCHAR(32)`.
    TypeOf32, |data| data.token_type = data.token_type.map(|text| text.chars().take(32).collect());
    /// `CHAR(36)`.
    IdentityOf36, |data| data.identity_id = data.identity_id.map(|text| cut(&text, 36));
    /// A page.
    RefreshTokenOf8192, |data| data.refresh_token = data.refresh_token.map(|token| Secret::from(cut(token.expose(), 8192)));
    /// `TEXT`.
    MemberOf64K, |data| data.extra = members(&data, |name, json| match json.len() {
        0..=65_537 => kept(name, json),
        _ => Some((name.to_owned(), format!("{}\"", cut(json, 65_536)))),
    });
    /// The others are not kept.
    AHundredMembers, |data| {
        let rest: Vec<String> = data.extra.iter().skip(100).map(|(name, _)| name.to_owned()).collect();
        rest.iter().for_each(|name| { data.extra.remove(name); });
    };
    /// Cut, and the last of equal ones counts.
    NamesOf255, |data| data.extra = members(&data, |name, json| kept(&cut(name, 255), json));
    /// A parser with a limit.
    ShallowMembers, |data| data.extra = members(&data, |name, json| match json.matches(['[', '{']).count() {
        0..=100 => kept(name, json),
        _ => kept(name, "null"),
    });
    /// What it is called is whose it is.
    OwnTtl, |data| { data.extra.remove("ttl"); };
    /// As its own ones begin.
    OwnPrefix, |data| data.extra = members(&data, |name, json| kept(name, json).filter(|_| !name.starts_with('_')));
    /// They would be paths.
    NamesWithoutDots, |data| data.extra = members(&data, |name, json| kept(&name.replace('.', "\u{ff0e}"), json));
    /// An object with one member whose name says a type.
    ReadsTags, |data| data.extra = members(&data, |name, json| match json {
        "{\"S\":\"x\"}" => kept(name, "\"x\""),
        _ => kept(name, json),
    });
    /// Blanks between tokens go.
    Compacts, |data| data.extra = members(&data, |name, json| match json {
        "{ }" | "[ ]" => kept(name, &json.replace(' ', "")),
        _ => kept(name, json),
    });
    /// Larger ones are rounded.
    NumbersOf64Bits, |data| data.extra = members(&data, |name, json| match json.parse::<i128>() {
        Ok(number) if i64::try_from(number).is_err() => kept(name, &format!("{:e}", number as f64)),
        _ => kept(name, json),
    });
    /// `1e1` for `1E1`.
    ShortExponents, |data| data.extra = members(&data, |name, json| match json.parse::<f64>() {
        Ok(_) => kept(name, &json.replace('E', "e").replace("e+", "e")),
        Err(_) => kept(name, json),
    });
    /// It is the same to RFC 6749.
    LowerType, |data| data.token_type = data.token_type.map(|text| match text.as_str() {
        "Bearer" => "bearer".to_owned(),
        _ => text,
    });
    /// And absent is another.
    UsualType, |data| data.token_type = data.token_type.filter(|text| text != "Bearer");
    /// They are a set.
    SortsScopes, |data| {
        let mut scopes: Vec<&str> = data.scope.split(' ').collect();
        scopes.sort_unstable();
        data.scope = scopes.join(" ");
    };
    /// They are a set.
    EachScopeOnce, |data| {
        let mut seen = std::collections::BTreeSet::new();
        let scopes: Vec<&str> = data.scope.split(' ').filter(|scope| scope.is_empty() || seen.insert(*scope)).collect();
        data.scope = scopes.join(" ");
    };
    /// They are a list.
    SplitsScopes, |data| data.scope = data.scope.split_whitespace().collect::<Vec<_>>().join(" ");
    /// But for line ends and tabs.
    DropsControls, |data| data.scope = data.scope.replace(|c: char| ('\u{80}'..'\u{a0}').contains(&c), "");
    /// As a file with one token in it is read.
    TrimsTokens, |data| data.access_token = Secret::from(data.access_token.expose().trim_end_matches('\n').to_owned());
    /// A text file.
    UnixLines, |data| data.scope = data.scope.replace("\r\n", "\n");
    /// `NULL` for it.
    AbsentIfEmptyIdentity, |data| data.identity_id = data.identity_id.filter(|text| !text.is_empty());
}

fn too_large() -> Error {
    Error::new(ErrorKind::TooLarge, "the record is too large for what holds it").with_operation(Operation::StoreAll)
}

macro_rules! refuses {
    ($($(#[$meta:meta])* $name:ident, $writes:ident => $refused:expr;)*) => {
        $(flaw!(
            $(#[$meta])*
            $name {
                async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
                    Ok(Flaw::store_all(self, &[Write::new(key, data, precondition)]).await?[0])
                }

                async fn store_all(&self, $writes: &[Write<'_>]) -> Result<Vec<Revision>> {
                    if $refused {
                        return Err(too_large());
                    }
                    self.0.store_all($writes).await
                }
            }
        );)*
    };
}

fn bytes(data: &TokenData) -> usize {
    data.access_token.expose().len()
}

refuses! {
    /// The name of a column.
    RefusesLongNames, writes => writes.iter().flat_map(|w| w.data.extra.iter()).any(|(name, _)| name.len() > 65_535);
    /// It is encoded again, and again.
    CountsEscapes, writes => writes.iter().any(|w| {
        let token = w.data.access_token.expose();
        token.len() + 3 * token.matches('"').count() > MemoryStorage::LIMITS.record_bytes * 3 / 4
    });
    /// Columns.
    RefusesManyMembers, writes => writes.iter().any(|w| w.data.extra.len() > 8000);
    /// The size of a packet.
    BatchOfAMegabyte, writes => writes.iter().map(|w| bytes(w.data)).sum::<usize>() > 4 << 20;
}

/// A storage that takes what is declared to be too large, if no part of it is.
macro_rules! takes {
    ($(#[$meta:meta])* $name:ident, $data:ident => $kept:expr) => {
        flaw!(
            $(#[$meta])*
            $name {
                async fn store_one(&self, key: &TokenKey, $data: &TokenData, precondition: Precondition) -> Result<Revision> {
                    match self.0.store(key, $data, precondition).await {
                        Err(error) if error.kind() == ErrorKind::TooLarge => match $kept {
                            Some(kept) => self.0.store(key, &kept, precondition).await,
                            None => Err(error),
                        },
                        done => done,
                    }
                }
            }
        );
    };
}

takes!(
    /// None of them is too long.
    CountsEachField, data => {
        let limit = MemoryStorage::LIMITS.record_bytes;
        let refresh = data.refresh_token.as_ref().map_or(0, |token| token.expose().len());
        let member = data.extra.iter().map(|(_, json)| json.len()).max().unwrap_or(0);
        let most = [bytes(data), refresh, data.scope.len(), member].into_iter().max();
        (most < Some(limit)).then(|| TokenData::new("rs", "s", "stored in a way that this test need not know"))
    }
);
takes!(
    /// They are somewhere else.
    CountsNoMembers, data => (bytes(data) < 1000 && data.extra.len() > 1)
        .then(|| TokenData::new("rs", "s", "stored in a way that this test need not know"))
);
