"""What calls did, recorded thread by thread; drawn and explained."""
