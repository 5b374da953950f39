//! The names: records and authoritative answers.
