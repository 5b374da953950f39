//! The catalogue of fault classes: what can go wrong in a run, by name, and how often it did.
//!
//! A class counts when it takes effect (a message is lost), not when a plan merely allows it. A budget of seeds in
//! which a class of the catalogue never took effect has not tried it, and fails.

use super::WorldKind;
use std::collections::BTreeMap;

macro_rules! classes {
    ($($(#[doc = $means:literal])+ $class:ident = $name:literal, $group:ident, $worlds:ident;)*) => {
        /// Something that can go wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum FaultClass {
            $($(#[doc = $means])+ $class,)*
        }

        impl FaultClass {
            /// The whole catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$class),*];

            /// Its name, as coverage lists it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$class => $name),* }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn means(self) -> &'static str {
                match self { $(Self::$class => concat!($($means),+)),* }
            }

            /// What it is a fault of.
            #[must_use]
            pub const fn group(self) -> FaultGroup {
                match self { $(Self::$class => FaultGroup::$group),* }
            }

            /// Whether it can take effect in a world.
            #[must_use]
            pub const fn is_of(self, world: WorldKind) -> bool {
                match self { $(Self::$class => Worlds::$worlds.has(world)),* }
            }
        }
    };
}

/// What a fault is a fault of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultGroup {
    /// Links between nodes.
    Network,
    /// Nodes as processes.
    Process,
    /// Their disks.
    Disk,
    /// Their clocks.
    Clock,
    /// Nodes that lie.
    Byzantine,
    /// Clients.
    Workload,
}

impl FaultGroup {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Process => "process",
            Self::Disk => "disk",
            Self::Clock => "clock",
            Self::Byzantine => "Byzantine",
            Self::Workload => "workload",
        }
    }
}

/// In which worlds a class can take effect.
enum Worlds {
    World,
    Quic,
    Both,
}

impl Worlds {
    const fn has(self, world: WorldKind) -> bool {
        matches!(
            (self, world),
            (Self::Both, _) | (Self::World, WorldKind::World) | (Self::Quic, WorldKind::Quic)
        )
    }
}

classes! {
    /// A message is lost, although the link stands.
    Loss = "loss", Network, Both;
    /// Nodes are divided into groups that do not reach one another.
    Partition = "partition", Network, Both;
    /// One direction of a link is made anew: what was under way in it is lost, and only its sender is told.
    Flap = "flap", Network, World;
    /// Messages are lost in a burst: with a connection, or in a bad moment of its path.
    BurstLoss = "burst-loss", Network, Both;
    /// A message takes far longer than others.
    DelaySpike = "delay-spike", Network, Both;
    /// A message arrives twice.
    Duplication = "duplication", Network, Both;
    /// A message is overtaken by a later one.
    Reordering = "reordering", Network, Both;
    /// What a node sends has a bit changed.
    Corruption = "corruption", Network, Both;
    /// What a node sends is cut short.
    Truncation = "truncation", Network, Both;
    /// A message waits for its link's bandwidth.
    NarrowLink = "narrow-link", Network, Both;
    /// A message is dropped because too much waits before it.
    FullQueue = "full-queue", Network, Both;
    /// A large message is lost, and small ones pass.
    BlackHole = "mtu-black-hole", Network, Both;
    /// A message is lost in the one direction of a link that is cut.
    OneWayPartition = "one-way-partition", Network, Both;
    /// A link is cut, one of several that are cut and healed one by one.
    SwizzledPartition = "swizzled-partition", Network, Both;
    /// A message of a node is lost that takes what it is sent and never answers.
    SilentPeer = "silent-peer", Network, Both;
    /// A node's datagrams come from another address.
    AddressChange = "address-change", Network, Quic;
    /// A node stops without warning.
    Crash = "crash", Process, Both;
    /// A node starts again.
    Restart = "restart", Process, Both;
    /// Every node stops at once.
    PowerLoss = "power-loss", Process, Both;
    /// A node crashes in the middle of a step: some of what it wants done is done, and the rest never.
    CrashInStep = "crash-in-step", Process, Both;
    /// Something happens to a node that is paused, and handled later, with all the rest.
    Pause = "pause", Process, World;
    /// Something happens to a node that is slow, and is handled late.
    SlowNode = "slow-node", Process, World;
    /// The outcome of a job comes late.
    LateJob = "late-job", Process, Both;
    /// A node's machine is resumed from a snapshot: its memory and its disk are old.
    ResumedSnapshot = "resumed-snapshot", Process, World;
    /// A node refuses to start on the data of an older version.
    OldFormat = "old-format", Process, World;
    /// A crash loses writes that were not durable yet.
    LostWrites = "lost-writes", Disk, Both;
    /// A row of the store is read as damaged.
    BitRot = "bit-rot", Disk, Both;
    /// A write is torn: some of its rows are on the disk, the last of them damaged.
    TornWrite = "torn-write", Disk, Both;
    /// A row was written in the place of another: it is missing, and the other is damaged.
    MisdirectedWrite = "misdirected-write", Disk, Both;
    /// A read fails, because the device does not answer.
    ReadError = "read-error", Disk, Both;
    /// A write fails, because the device does: the node ends.
    WriteError = "write-error", Disk, Both;
    /// A write fails, because there is no room: the node ends.
    FullDisk = "full-disk", Disk, Both;
    /// A node comes back with an empty disk.
    WipedDisk = "wiped-disk", Disk, Both;
    /// A node comes back with an older copy of its disk.
    OldDisk = "old-disk", Disk, Both;
    /// A node comes back without its log of votes.
    LostLog = "lost-log", Disk, Both;
    /// A node's wall clock is off.
    Skew = "skew", Clock, Both;
    /// A node's wall clock jumps forward.
    JumpForward = "jump-forward", Clock, Both;
    /// A node's wall clock jumps back.
    JumpBack = "jump-back", Clock, Both;
    /// The wall clocks of more nodes than may lie jump forward together, and back.
    JumpTogether = "jump-together", Clock, Both;
    /// A node's wall clock runs too fast or too slow.
    WallDrift = "wall-drift", Clock, Both;
    /// A node's monotonic clock runs too fast or too slow, and with it all its timers.
    MonotonicDrift = "monotonic-drift", Clock, Both;
    /// A node sends signature shares that do not hold, and puts its name to them.
    BadShares = "bad-shares", Byzantine, Both;
    /// A node serves blocks that no quorum decided.
    RubbishBlocks = "rubbish-blocks", Byzantine, Both;
    /// A node claims to have the highest block that there can be.
    FalseHeights = "false-heights", Byzantine, Both;
    /// A node does not serve blocks.
    WithheldBlocks = "withheld-blocks", Byzantine, Both;
    /// A node says nothing at all.
    Silence = "silence", Byzantine, Both;
    /// A node says nothing to some.
    SelectiveSilence = "selective-silence", Byzantine, Both;
    /// A node sends bytes that are no message, or more than one may have.
    Garbage = "garbage", Byzantine, Both;
    /// A node proposes two blocks in a round.
    EquivocatingProposer = "equivocating-proposer", Byzantine, Both;
    /// A node votes both ways.
    EquivocatingVoter = "equivocating-voter", Byzantine, Both;
    /// A node forgets its lock and votes for what is proposed.
    Amnesia = "amnesia", Byzantine, Both;
    /// A node proposes nothing when its turn has come.
    WithheldProposal = "withheld-proposal", Byzantine, Both;
    /// A node proposes a block with a wrong state root.
    WrongStateRoot = "wrong-state-root", Byzantine, Both;
    /// A node proposes a block with a wrong log root.
    WrongLogRoot = "wrong-log-root", Byzantine, Both;
    /// A node proposes a block with a wrong time.
    WrongTime = "wrong-time", Byzantine, Both;
    /// A node proposes a batch whose proofs do not hold.
    BadProof = "bad-proof", Byzantine, Both;
    /// A node proposes what must not happen now.
    BadPolicy = "bad-policy", Byzantine, Both;
    /// A node proposes a state in which it has more funds and more at stake.
    Fraud = "fee-and-stake-fraud", Byzantine, Both;
    /// A node proposes a batch once more.
    ReplayedBatch = "replayed-batch", Byzantine, Both;
    /// A node proposes a block without its reveal for the beacon.
    WithheldReveal = "withheld-reveal", Byzantine, Both;
    /// A node deals private shares that do not hold.
    BadDealing = "bad-dealing", Byzantine, Both;
    /// A node's signature shares come late.
    LateShares = "late-shares", Byzantine, Both;
    /// A node puts another's name to its signature shares.
    FramedShares = "framed-shares", Byzantine, Both;
    /// A node asks for shares over bytes that nobody derives from the state.
    OtherBytes = "other-bytes", Byzantine, Both;
    /// A node cosigns another log than all others see.
    SplitView = "split-view", Byzantine, Both;
    /// A node hands on a finished signature, or a cosignature, that holds by ZIP-215 and that no other implementation accepts.
    TwistedSignature = "twisted-signature", Byzantine, Both;
    /// A batch comes whose operations nobody pays for.
    UnpaidOperations = "unpaid-operations", Byzantine, Both;
    /// A node proposes a block with a single operation of a batch, and leaves out the others.
    ShortenedBatch = "shortened-batch", Byzantine, Both;
    /// A batch comes under a member's stolen key.
    StolenMemberKey = "stolen-member-key", Byzantine, Both;
    /// A node's key is on two machines that run.
    Twin = "twin", Byzantine, World;
    /// A node answers a client with records that nobody set.
    ForgedAnswer = "forged-answer", Byzantine, World;
    /// A node answers a client with what it said long ago.
    StaleAnswer = "stale-answer", Byzantine, World;
    /// A node hands out a certificate that consensus never approved.
    RogueCertificate = "rogue-certificate", Byzantine, Both;
    /// A certificate is asked for.
    Issue = "issue", Workload, Both;
    /// A certificate for the same names is asked for once more.
    Renew = "renew", Workload, Both;
    /// A certificate is revoked.
    Revoke = "revoke", Workload, Both;
    /// A name is registered.
    Register = "register", Workload, Both;
    /// A name's records are set.
    Update = "update", Workload, Both;
    /// A name that others write at the same time is written.
    HotName = "hot-name", Workload, Both;
    /// A name is resolved.
    Resolve = "resolve", Workload, Both;
    /// A name's records are asked for with proof.
    Prove = "prove", Workload, Both;
    /// An instance of a service is announced.
    Announce = "announce", Workload, Both;
    /// An amount is moved.
    Transfer = "transfer", Workload, Both;
    /// A certificate is asked for a name of one's own, and for another's beside it.
    SecondName = "second-name", Workload, Both;
    /// A certificate is asked for a name, an address that it has, and one that it has not.
    ForeignAddress = "foreign-address", Workload, Both;
    /// A certificate is asked for a name, and for a wildcard beside it.
    WildcardBeside = "wildcard-beside", Workload, Both;
    /// A certificate is asked for a name, and for another's SPIFFE ID.
    ForeignIdentity = "foreign-identity", Workload, Both;
    /// A certificate is asked for longer than any may hold.
    LifetimeBeyond = "lifetime-beyond", Workload, Both;
    /// A certificate is asked for two names, at a port of one of which another's TLSA records stand.
    ForeignPort = "foreign-port", Workload, Both;
    /// A certificate is asked for a name, and for a node's beside it.
    NodeName = "node-name", Workload, Both;
    /// Records are set at another's name.
    ForeignRecords = "foreign-records", Workload, Both;
    /// TLSA records are set at the port of another's name.
    ForeignTlsa = "foreign-tlsa", Workload, Both;
    /// An alias is set beside other records.
    AliasBeside = "alias-beside", Workload, Both;
    /// A name is registered below another's.
    NameBelow = "name-below", Workload, Both;
    /// A name is registered that the mesh keeps for itself.
    ReservedName = "reserved-name", Workload, Both;
    /// An instance of another's service is announced.
    ForeignInstance = "foreign-instance", Workload, Both;
    /// Who is no member puts an amount at stake.
    StakeOfNone = "stake-of-none", Workload, Both;
    /// More is spent than there is.
    Overdraft = "overdraft", Workload, Both;
    /// Another's certificate is revoked.
    ForeignRevocation = "foreign-revocation", Workload, Both;
    /// A key is reported as compromised.
    Compromise = "compromise", Workload, Both;
    /// A certificate is asked for a key that was to be reported as compromised before.
    CompromisedKey = "compromised-key", Workload, Both;
    /// A name is granted below one's own.
    Grant = "grant", Workload, Both;
    /// A name is granted for a while.
    LimitedGrant = "limited-grant", Workload, Both;
    /// Whom a name was granted to asks for something there.
    GrantedUse = "granted-use", Workload, Both;
    /// A granted name is taken back.
    Reclaim = "reclaim", Workload, Both;
    /// A granted name is taken back by somebody who did not grant it.
    ForeignReclaim = "foreign-reclaim", Workload, Both;
    /// A hundred requests at once.
    Burst = "burst", Workload, Both;
    /// A client stops waiting, and never asks again.
    GiveUp = "give-up", Workload, Both;
    /// A client asks another node for the same.
    RetryElsewhere = "retry-elsewhere", Workload, Both;
    /// A client asks the same node for the same again.
    Repeat = "repeat", Workload, Both;
}

/// How often each class has taken effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<FaultClass, u64>);

impl Coverage {
    /// Counts an effect of a class.
    pub fn hit(&mut self, class: FaultClass) {
        *self.0.entry(class).or_default() += 1;
    }

    /// Adds what another run covered.
    pub fn add(&mut self, other: &Self) {
        for (class, count) in &other.0 {
            *self.0.entry(*class).or_default() += count;
        }
    }

    /// How often a class has taken effect.
    #[must_use]
    pub fn count(&self, class: FaultClass) -> u64 {
        self.0.get(&class).copied().unwrap_or_default()
    }

    /// The classes of a world's catalogue that never took effect.
    #[must_use]
    pub fn missing(&self, world: WorldKind) -> Vec<FaultClass> {
        let never = |class: &FaultClass| class.is_of(world) && self.count(*class) == 0;
        FaultClass::ALL.iter().copied().filter(never).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_class_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = FaultClass::ALL.iter().map(|class| class.name()).collect();
        assert_eq!(names.len(), FaultClass::ALL.len());
    }

    #[test]
    fn a_class_that_never_took_effect_is_missing_from_its_worlds_alone() {
        let mut coverage = Coverage::default();
        let of_world = FaultClass::ALL.iter().filter(|class| class.is_of(WorldKind::World)).count();
        assert_eq!(coverage.missing(WorldKind::World).len(), of_world);
        coverage.hit(FaultClass::Loss);
        assert!(!coverage.missing(WorldKind::World).contains(&FaultClass::Loss));
        assert!(coverage.missing(WorldKind::World).contains(&FaultClass::OldFormat));
        assert!(!coverage.missing(WorldKind::Quic).contains(&FaultClass::OldFormat));
    }
}
