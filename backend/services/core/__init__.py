"""Clerk: verification of its session tokens, its keys, its Backend API."""
