"""What the service does, through the ports of the domain. No proto, no RPC, no SQL."""
