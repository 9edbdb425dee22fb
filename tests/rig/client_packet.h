/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Frames of the simulated clients: Ethernet, ARP, IPv4, UDP and DHCPv4, built and taken apart by
 * hand.
 *
 * The simulated clients have no interface and no address of their own: one packet socket speaks for
 * all of them, as a segment full of small hosts and relays would.  Nothing here keeps state, opens
 * a socket or reads a clock.  Addresses are host byte order integers everywhere above the wire.
 *
 * MAC addresses say who is meant, so that an incoming frame needs no search:
 *   02:00:nn:nn:nn:nn   client number n
 *   02:01:gg:gg:gg:gg   the relay (and router) whose address is g.g.g.g
 */
#ifndef RIG_CLIENT_PACKET_H
#define RIG_CLIENT_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 1514
#define ID_MAX 64

enum dhcp_type {
    DHCP_DISCOVER = 1,
    DHCP_OFFER,
    DHCP_REQUEST,
    DHCP_DECLINE,
    DHCP_ACK,
    DHCP_NAK,
    DHCP_RELEASE,
    DHCP_INFORM
};

/* A message to be sent.  Fields that are zero (or have length zero) are left out of the options. */
struct dhcp_out {
    uint8_t eth_src[6], eth_dst[6];
    uint32_t ip_src, ip_dst;
    uint16_t port_src, port_dst;

    enum dhcp_type type;
    uint32_t xid;
    uint16_t secs;
    bool broadcast;
    uint32_t ciaddr, giaddr;
    uint8_t chaddr[6];
    uint32_t requested, server_id, want_lease;
    const uint8_t *client_id, *host_name, *option82;
    size_t client_id_len, host_name_len, option82_len;
};

/* An answer as received. */
struct dhcp_in {
    uint8_t eth_src[6], eth_dst[6];
    uint32_t ip_src, ip_dst;
    enum dhcp_type type;
    uint32_t xid, yiaddr, siaddr, giaddr;
    uint8_t chaddr[6];
    uint32_t server_id, lease, t1, t2;
    char message[80]; /* option 56, made safe for JSON */
};

struct arp {
    uint8_t eth_src[6];
    bool request;
    uint8_t sender_mac[6];
    uint32_t sender_ip, target_ip;
};

/* Text form of an address in a static buffer; eight may be in use at once. */
const char *ip_text(uint32_t ip);

void mac_of_client(uint8_t mac[6], uint32_t number);
void mac_of_relay(uint8_t mac[6], uint32_t giaddr);
bool mac_is_client(const uint8_t mac[6], uint32_t *number);

/* Both build into a buffer of FRAME_MAX bytes and return the length. */
size_t dhcp_build(uint8_t *frame, const struct dhcp_out *out);
size_t arp_build(uint8_t *frame, bool request, const uint8_t sender_mac[6], uint32_t sender_ip,
                 const uint8_t target_mac[6], uint32_t target_ip);

/* False: not such a frame, or a broken one. */
bool dhcp_parse(const uint8_t *frame, size_t length, struct dhcp_in *in);
bool arp_parse(const uint8_t *frame, size_t length, struct arp *arp);

#endif
