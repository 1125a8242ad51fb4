"""What the five services share. One room per concern; each room says in its own words what it is for."""
