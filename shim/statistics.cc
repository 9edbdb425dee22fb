/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Kea's statistics of leases when we write a row: the allocation engine counts only what it does
 * itself. The rule is that of Kea's own recount: a row counts as assigned while it is leased or
 * declined, and a declined one also as declined. What the engine alone counts (cumulative-,
 * reclaimed-) is left alone, so that running figures equal a recount at every moment.
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
void add_for_pool(const Lease4Ptr &lease, const std::string &statistic, int change)
{
    const auto subnet =
        isc::dhcp::CfgMgr::instance().getCurrentCfg()->getCfgSubnets4()->getBySubnetId(
            lease->subnet_id_);
    const auto pool = subnet ? subnet->getPool(Lease::TYPE_V4, lease->addr_, false) : nullptr;
    if (pool) {
        const std::string within = StatsMgr::generateName("pool", pool->getID(), statistic);
        add(StatsMgr::generateName("subnet", lease->subnet_id_, within), change);
    }
}
#else
void add_for_pool(const Lease4Ptr &, const std::string &, int) {}
#endif

void add_for_subnet(const Lease4Ptr &lease, const std::string &statistic, int change)
{
    if (change == 0) {
        return;
    }
    add(StatsMgr::generateName("subnet", lease->subnet_id_, statistic), change);
    add_for_pool(lease, statistic, change);
}

void count(const Lease4Ptr &lease, const Counts &change)
{
    add_for_subnet(lease, "assigned-addresses", change.assigned);
    add_for_subnet(lease, "declined-addresses", change.declined);
    add("declined-addresses", change.declined);
#ifdef FO_KEA_GLOBAL_ASSIGNED
    add("assigned-addresses", change.assigned);
#endif
}

} // namespace

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
