/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Kea's statistics of leases when we write a row: the allocation engine counts only what it does
 * itself. The rule is that of Kea's own recount: a row counts as assigned while it is leased or
 * declined, and a declined one also as declined. What the engine alone counts (cumulative-,
 * reclaimed-) is left alone, so that running figures equal a recount. What rows of one subnet and pool
 * change, one after the other, is added up first, for Kea finds its statistics by names that are made anew
 * each time.
 */
#include "shim/shim.h"

#include <dhcpsrv/cfgmgr.h>
#include <stats/stats_mgr.h>

namespace failover {

using isc::dhcp::Lease;
using isc::dhcp::Lease4Ptr;
using isc::stats::StatsMgr;

namespace {

struct Counts {
    int assigned = 0;
    int declined = 0;
};

Counts counts_of(const Lease4Ptr &lease)
{
    Counts counts;
    if (lease && lease->state_ == Lease::STATE_DECLINED) {
        counts.assigned = counts.declined = 1;
    } else if (lease && lease->state_ == Lease::STATE_DEFAULT) {
        counts.assigned = 1;
    }
    return counts;
}

void add(const std::string &name, int change)
{
    if (change != 0) {
        StatsMgr::instance().addValue(name, static_cast<int64_t>(change));
    }
}

#ifdef FO_KEA_POOL_STATISTICS
int64_t pool_of(const Lease4Ptr &lease)
{
    const auto subnet =
        isc::dhcp::CfgMgr::instance().getCurrentCfg()->getCfgSubnets4()->getBySubnetId(
            lease->subnet_id_);
    const auto pool = subnet ? subnet->getPool(Lease::TYPE_V4, lease->addr_, false) : nullptr;
    return pool ? static_cast<int64_t>(pool->getID()) : -1;
}
#else
int64_t pool_of(const Lease4Ptr &)
{
    return -1;
}
#endif

/* Of this thread, not added yet. */
thread_local struct Pending {
    isc::dhcp::SubnetID subnet = 0;
    int64_t pool = -1; /* -1: it has no statistics */
    Counts counts;
} pending;

void add_for_subnet(const std::string &statistic, int change)
{
    if (change == 0) {
        return;
    }
    add(StatsMgr::generateName("subnet", pending.subnet, statistic), change);
    if (pending.pool >= 0) {
        const std::string within = StatsMgr::generateName("pool", pending.pool, statistic);
        add(StatsMgr::generateName("subnet", pending.subnet, within), change);
    }
}

void count(const Lease4Ptr &lease, const Counts &change)
{
    if (change.assigned == 0 && change.declined == 0) {
        return;
    }
    const int64_t pool = pool_of(lease);
    if (pending.subnet != lease->subnet_id_ || pending.pool != pool) {
        add_counts();
        pending.subnet = lease->subnet_id_;
        pending.pool = pool;
    }
    pending.counts.assigned += change.assigned;
    pending.counts.declined += change.declined;
}

} // namespace

void add_counts()
{
    const Counts &change = pending.counts;
    add_for_subnet("assigned-addresses", change.assigned);
    add_for_subnet("declined-addresses", change.declined);
    add("declined-addresses", change.declined);
#ifdef FO_KEA_GLOBAL_ASSIGNED
    add("assigned-addresses", change.assigned);
#endif
    pending.counts = Counts();
}

void count_row(const Lease4Ptr &before, const Lease4Ptr &after)
{
    const Counts was = counts_of(before);
    const Counts is = counts_of(after);
    if (before && after && before->subnet_id_ == after->subnet_id_) {
        count(after, {is.assigned - was.assigned, is.declined - was.declined});
        return;
    }
    if (before) {
        count(before, {-was.assigned, -was.declined});
    }
    if (after) {
        count(after, is);
    }
}

} // namespace failover
