//! Files that operators and clients write or pass on: configuration, context, genesis, contributions, plots.
#![no_main]

use hypermesh::context::Context;
use hypermesh::genesis_file::ValidatorFile;
use hypermesh::node_config::NodeConfigFile;
use hypermesh_core::base::{decode, encode};
use hypermesh_core::hypermesh::proof::Plot;
use hypermesh_core::state::{GENESIS_BYTES_MAX, Genesis};
use hypermesh_fuzz::{parameters, select, text};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((which, bytes)) = select(input) else { return };
    if which % 5 == 4 {
        let labels = bytes.as_chunks::<32>().0.to_vec();
        let count = labels.len();
        let plot = Plot::from_labels(parameters().space, labels);
        assert_eq!(plot.is_ok(), count == parameters().space.labels() as usize);
        return;
    }
    let Some(text) = text(bytes) else { return };
    match which % 5 {
        0 => match NodeConfigFile::parse(text) {
            Ok(config) => {
                let again = config.to_toml().expect("what was read can be written");
                assert_eq!(NodeConfigFile::parse(&again), Ok(config));
            }
            Err(reason) => assert!(!reason.is_empty()),
        },
        1 => {
            if let Ok(context) = toml::from_str::<Context>(text) {
                let again = context.to_toml().expect("what was read can be written");
                assert_eq!(toml::from_str(&again), Ok(context));
            }
        }
        2 => {
            let Ok(genesis) = serde_json::from_str::<Genesis>(text) else { return };
            let bytes = encode(&genesis);
            if genesis.check().is_ok() && bytes.len() <= GENESIS_BYTES_MAX {
                assert_eq!(decode::<Genesis>(&bytes, GENESIS_BYTES_MAX).map(|read| read.hash()), Ok(genesis.hash()));
            }
        }
        _ => {
            if let Ok(file) = serde_json::from_str::<ValidatorFile>(text) {
                let again = serde_json::to_string(&file).expect("what was read can be written");
                assert_eq!(serde_json::from_str::<ValidatorFile>(&again).ok(), Some(file));
            }
        }
    }
});
