-- Whose phone is taken away is signed out: by the name of the dialogue that last signed in with it, and has not signed out.
alter table ussd_links add column dialogue varchar(64);
